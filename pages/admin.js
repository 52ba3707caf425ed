// Everything works without this; with it, things happen in place.
import { initAll } from './govuk-frontend.js'

initAll()

// A job's progress is asked for every two seconds until it has ended.
for (const part of document.querySelectorAll('[data-refresh]')) {
  const again = async () => {
    const reply = await fetch(part.dataset.refresh, { headers: { Accept: 'text/html' } }).catch(() => null)
    if (reply && reply.ok && !reply.redirected) {
      part.innerHTML = await reply.text()
      if (part.querySelector('[data-ended]')) return window.location.reload()
    }
    setTimeout(again, 2000)
  }
  setTimeout(again, 2000)
}

// What is typed into a correction is checked a moment after the last key.
for (const form of document.querySelectorAll('form[data-check]')) {
  const text = form.querySelector('textarea[name=text]')
  const verdict = document.getElementById(form.dataset.verdict)
  let waiting = 0
  let asked = 0
  text.addEventListener('input', () => {
    clearTimeout(waiting)
    waiting = setTimeout(async () => {
      const mine = ++asked
      const reply = await fetch(form.dataset.check, { method: 'POST', body: new FormData(form) }).catch(() => null)
      if (mine === asked && reply && reply.ok && !reply.redirected) verdict.innerHTML = await reply.text()
    }, 400)
  })
}

// Two minutes before a session ends that is said, and can be put off.
for (const notice of document.querySelectorAll('[data-session-seconds]')) {
  const lasting = Number(notice.dataset.sessionSeconds)
  let warning = 0
  const begin = () => {
    notice.hidden = true
    clearTimeout(warning)
    warning = setTimeout(() => {
      notice.hidden = false
      notice.querySelector('button').focus()
    }, Math.max(lasting - 120, lasting / 2) * 1000)
  }
  notice.querySelector('button').addEventListener('click', async () => {
    const reply = await fetch(notice.dataset.keep, { method: 'HEAD' }).catch(() => null)
    if (reply && reply.ok && !reply.redirected) begin()
    else window.location.reload()
  })
  begin()
}

// One box ticks all that are shown.
for (const all of document.querySelectorAll('input[data-all]')) {
  const boxes = document.querySelectorAll(`input[name="${all.dataset.all}"]`)
  all.closest('.app-only-with-script').hidden = false
  all.addEventListener('change', () => boxes.forEach((box) => { box.checked = all.checked }))
}
