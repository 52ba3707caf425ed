// Makes calls by the description alone, with node's SOAP client. Reads {wsdl, username, password, calls} as JSON from
// standard input and prints, for each call, what came of it: {result} or {status, fault}.
import { readFileSync } from "node:fs";
import soap from "soap";

const { wsdl, username, password, calls } = JSON.parse(readFileSync(0, "utf8"));

async function clientFor(port) {
  const client = await soap.createClientAsync(wsdl, { forceSoap12Headers: port === "Receiver_soap12" });
  client.setSecurity(new soap.BasicAuthSecurity(username, password));
  return client;
}

async function make({ port, operation, values }) {
  const client = await clientFor(port);
  const call = client.ReceiverService[port][operation];
  return new Promise((resolve) => {
    call(values, (error, result) => {
      if (!error) return resolve({ result });
      resolve({ status: error.response?.status, fault: error.root?.Envelope?.Body?.Fault });
    });
  });
}

const client = await soap.createClientAsync(wsdl);
const outcomes = [];
for (const call of calls) outcomes.push(await make(call));
console.log(JSON.stringify({ described: client.describe(), outcomes }));
