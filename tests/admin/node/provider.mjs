// A certified OpenID Connect provider with one client, for tests. Reads {port, client, secret, callbacks, after} as JSON
// from the first line of standard input, prints "ready", and ends when standard input does. POST /control says who
// signs in next, with which claims, and what is to be wrong with the ID token.
import { createInterface } from "node:readline";
import { exportJWK, generateKeyPair, importJWK, SignJWT, decodeJwt, decodeProtectedHeader } from "jose";
import Provider from "oidc-provider";

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
const { port, client, secret, callback, after } = JSON.parse(await new Promise((read) => lines.once("line", read)));

const control = { who: "jo", claims: {}, spoil: "", deny: false, inIdToken: true, seen: {} };
const { privateKey } = await generateKeyPair("RS256", { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: "test", use: "sig", alg: "RS256" };
const stranger = (await generateKeyPair("RS256")).privateKey;

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: client,
      ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
      redirect_uris: [callback],
      post_logout_redirect_uris: [after],
    },
  ],
  jwks: { keys: [key] },
  cookies: { keys: ["for tests alone"] },
  claims: { openid: ["sub"], profile: ["name", "preferred_username", "roles", "places"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  findAccount: (_ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: "Jo Smith", preferred_username: `${sub}@example.org`, ...control.claims }),
  }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

// The ID token again, with what `spoil` names made wrong, signed by the provider's own key (or a stranger's).
async function spoiled(token) {
  const hour = 3600;
  const now = Math.floor(Date.now() / 1000);
  const changes = {
    nonce: { nonce: "another" },
    expired: { iat: now - 2 * hour, exp: now - hour },
    audience: { aud: "somebody-else" },
    issuer: { iss: "http://127.0.0.1:1" },
  };
  const claims = { ...decodeJwt(token), ...(control.inIdToken ? control.claims : {}), ...changes[control.spoil] };
  const signer = control.spoil === "signature" ? stranger : await importJWK(key, "RS256");
  return new SignJWT(claims).setProtectedHeader(decodeProtectedHeader(token)).sign(signer);
}

async function bodyOf(request) {
  let text = "";
  for await (const part of request) text += part;
  return text;
}

provider.use(async (ctx, next) => {
  if (ctx.path === "/control") {
    Object.assign(control, JSON.parse(await bodyOf(ctx.req)));
    ctx.body = control.seen;
    return;
  }
  if (ctx.path.startsWith("/interaction/")) {
    const result = control.deny ? { error: "access_denied" } : { login: { accountId: control.who } };
    ctx.respond = false;
    await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
    return;
  }
  if (ctx.path === "/auth") control.seen = { ...ctx.query };
  await next();
  if (ctx.path === "/token" && ctx.body?.id_token) {
    if (control.spoil === "missing") delete ctx.body.id_token;
    else ctx.body.id_token = await spoiled(ctx.body.id_token);
  }
});

provider.listen(port, "127.0.0.1", () => console.log("ready"));
