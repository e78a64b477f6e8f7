// Helps with a new password: see templates/includes/assist.html. The server decides everything anyway.
import { Client, violations } from "../credfirewall/client.js";

const MOST_PATIENCE = 2_000; // milliseconds between submitting and going on

const assist = document.querySelector(".assist");
const texts = assist.dataset;
const [field, again] = [texts.field, texts.again].map((id) => document.getElementById(id));
const [heard, said] = assist.querySelectorAll("p");
const button = assist.querySelector("button");
const client = new Client(texts.ranges ? { rangeUrl: texts.ranges } : {});

// The rules are on the page, written by the server; those that can be told of are marked.

function mark(rule, state) {
  if (rule.dataset.state === state) return;
  rule.dataset.state = state;
  rule.querySelector("span").textContent = state ? ` ${texts[state]}` : "";
}

function markRules(policy) {
  const listed = [...document.querySelectorAll(`#${field.id}_helptext li`)];
  const rules = policy.rules
    .filter(({ browser_check: check }) => check)
    .map(({ code, text }) => ({ code, text, item: listed.find((each) => each.textContent === text) }))
    .filter(({ item }) => item);
  for (const { item } of rules) {
    const span = document.createElement("span");
    span.className = "unseen";
    item.append(span);
  }
  const look = () => {
    const broken = violations(policy, field.value);
    const isBroken = (rule) => broken.some(({ text }) => text === rule.text);
    for (const rule of rules) {
      mark(rule.item, field.value && (isBroken(rule) ? "broken" : "met"));
    }
    said.textContent = broken.some(({ text }) => text === null) ? texts.long : "";
    const left = rules.filter(isBroken).map(({ text }) => text);
    const summary = left.length ? `${texts.left} ${left.join(" ")}` : texts.fine;
    // Said again only when it has changed, and not for each character.
    if (field.value && heard.textContent !== summary) heard.textContent = summary;
  };
  field.addEventListener("input", look);
  if (field.value) look();
}

// A suggestion: from the account's own API, or from the public route where nobody is signed in.

async function suggestion() {
  if (texts.account) return (await client.generate({ kind: "passphrase", words: 6 })).password;
  const response = await fetch(texts.suggestions, { cache: "no-store" });
  if (!response.ok) throw new Error("there is none");
  return (await response.json()).password;
}

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    const password = await suggestion();
    for (const each of [field, again]) {
      each.value = password;
      each.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const reveal = field.parentElement.querySelector(".reveal");
    if (reveal?.getAttribute("aria-pressed") === "false") reveal.click();
    said.textContent = texts.suggested;
  } catch {
    said.textContent = texts.unsuggested;
  }
  button.disabled = false;
  button.focus();
});

// Known breaches, where this site has named a range server for browsers. Who insists is let through
// to the server, and so is everybody when there is no answer.

let told = null;
let looking = false;
const alert = document.createElement("p");
alert.className = "errorlist";
alert.setAttribute("role", "alert");

async function lookUp(event) {
  if (!looking && field.value === told) return;
  event.preventDefault();
  if (looking) return;
  looking = true;
  alert.remove();
  said.textContent = texts.looking;
  const count = await client.breachCount(field.value, { timeout: MOST_PATIENCE }).catch(() => 0);
  said.textContent = "";
  looking = false;
  if (count === 0) return field.form.submit();
  told = field.value;
  alert.textContent = `${texts.seen} ${count.toLocaleString(document.documentElement.lang)}`;
  assist.prepend(alert);
  field.focus();
}

if (texts.ranges) field.form.addEventListener("submit", lookUp);
field.addEventListener("input", () => alert.remove());
assist.hidden = false;
client.policy().then(markRules, () => {});
