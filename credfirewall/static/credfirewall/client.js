/**
 * credfirewall for browsers: generate and check passwords, hand them over, and ask Have I Been
 * Pwned by k-anonymity. One ES module, no build step. The types are in client.d.ts.
 *
 *     import { Client } from "/static/credfirewall/client.js";
 *     const { password } = await new Client().generate({ length: 24 });
 *
 * A password is kept nowhere, and is in no address, error or log line of this module.
 */

const RANGE_URL = "https://api.pwnedpasswords.com/range/";
const MOST_CODE_POINTS = 4096;
/** Ten times what the real service answers with padding, and what 100 generated values take. */
const MOST_BYTES = 1 << 20;
const SAFE_METHODS = new Set(["GET", "HEAD"]);
/** A row of a range, with the quirks that are known of them: lower case, thousands separators. */
const ROW = /^([0-9A-F]{35}):(\d{1,12}|\d{1,3}(?:,\d{3}){1,3})$/i;
/** What has no UTF-8 form, and what no form field takes. */
const NOT_TEXT = /[\p{Surrogate}\0]/u;

/** What went wrong. `code` is stable, `detail` is for people, `retryAfter` is in seconds. */
export class CredfirewallError extends Error {
  constructor(code, { status = 0, title = "", detail = "", retryAfter = null, problem = null } = {}) {
    super(detail || title || code);
    this.name = "CredfirewallError";
    Object.assign(this, { code, status, title, detail, retryAfter, problem });
  }
}

export class Client {
  #base;
  #rangeUrl;
  #padding;
  #key;
  #csrfToken;
  #timeout;
  #fetch;

  /** See client.d.ts for the options. */
  constructor({
    baseUrl = "/",
    rangeUrl = RANGE_URL,
    padding = true,
    key = null,
    csrfToken = csrfFromPage,
    timeout = 10_000,
    fetch = (...call) => globalThis.fetch(...call),
  } = {}) {
    this.#base = baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`;
    this.#rangeUrl = rangeUrl.endsWith("/") ? rangeUrl : `${rangeUrl}/`;
    this.#padding = padding;
    this.#key = key;
    this.#csrfToken = typeof csrfToken === "function" ? csrfToken : () => csrfToken;
    this.#timeout = timeout;
    this.#fetch = fetch;
  }

  /** Have one password generated, or with `count` a list of them. */
  async generate(spec = {}, options = {}) {
    const member = spec.count === undefined ? "password" : "passwords";
    const answer = await this.#post("api/v1/passwords/generate", spec, member, options);
    return member === "passwords" ? answer.passwords : answer;
  }

  /** The policy: what a password must be, for a page to show. See `violations`. */
  policy(options = {}) {
    return this.#call("GET", "api/v1/passwords/policy", null, "rules", options);
  }

  /** Have a password checked against the policy and known breaches. On submit, not while typing. */
  check(password, { username, email, ...options } = {}) {
    const body = { password, username, email };
    return this.#post("api/v1/passwords/check", body, "acceptable", options);
  }

  /** Redeem what was handed over: a secret, or the right to set a password. */
  redeem(token, { passphrase, newPassword, ...options } = {}) {
    const body = { token, passphrase, new_password: newPassword };
    return this.#post("api/v1/deliveries/redeem", body, "mode", options);
  }

  /**
   * How often a password is in known breaches, as it is or in its NFC form: 0 for one that is in
   * none. Five characters of its SHA-1 leave the page, and no cookie. On submit, not while typing:
   * a prefix for each keystroke would tell the password. Rejects when the service gives no answer,
   * which is not 0.
   */
  async breachCount(password, options = {}) {
    if (isLongerThan(password, MOST_CODE_POINTS)) throw new CredfirewallError("password_too_long");
    if (NOT_TEXT.test(password)) throw new CredfirewallError("password_not_text");
    const end = this.#end(options);
    for (const form of new Set([password, password.normalize("NFC")])) {
      const count = await this.#count(form, end);
      if (count > 0) return count;
    }
    return 0;
  }

  async #count(text, end) {
    const digest = await sha1(text);
    const request = {
      headers: this.#padding ? { "Add-Padding": "true" } : {},
      credentials: "omit",
      cache: "no-store", // what was asked is not left on the disk
      redirect: "error",
      referrerPolicy: "no-referrer",
    };
    return this.#exchange(this.#rangeUrl + digest.slice(0, 5), request, end, async (response) => {
      const count = response.status === 200 && countIn(await textOf(response), digest.slice(5));
      if (typeof count === "number") return count;
      throw new CredfirewallError("breach_source_unavailable", {
        status: response.status,
        detail: "The breach service gave no answer that can be used.",
      });
    });
  }

  #post(path, body, member, options) {
    return this.#call("POST", path, body, member, options);
  }

  /** Answers have at least `member`; what has not comes from somebody else. */
  async #call(method, path, body, member, options) {
    const url = this.#base + path;
    const request = {
      method,
      headers: this.#headers(method, url),
      body: body === null ? undefined : JSON.stringify(body),
      credentials: this.#key === null ? "same-origin" : "omit",
      cache: "no-store",
      redirect: "error",
    };
    return this.#exchange(url, request, this.#end(options), async (response) => {
      const answer = objectIn(await textOf(response));
      if (response.ok && answer !== null && member in answer) return answer;
      throw problem(response, response.ok ? null : answer);
    });
  }

  #headers(method, url) {
    const headers = { Accept: "application/json" };
    if (!SAFE_METHODS.has(method)) headers["Content-Type"] = "application/json";
    if (this.#key !== null) {
      headers.Authorization = `Bearer ${this.#key}`;
    } else if (!SAFE_METHODS.has(method) && isOwnOrigin(url)) {
      const token = this.#csrfToken();
      if (token) headers["X-CSRFToken"] = token;
    }
    return headers;
  }

  /** When a call ends at the latest: it has one time limit, whatever it takes. */
  #end({ signal, timeout = this.#timeout } = {}) {
    const deadline = AbortSignal.timeout(timeout);
    return { signal, deadline, either: signal ? AbortSignal.any([signal, deadline]) : deadline };
  }

  /** Ask, and `read` the answer, whose body may still come slowly or break off. */
  async #exchange(url, request, { signal, deadline, either }, read) {
    try {
      return await read(await this.#fetch(url, { ...request, signal: either }));
    } catch (error) {
      if (error instanceof CredfirewallError) throw error;
      if (signal?.aborted) throw signal.reason;
      throw new CredfirewallError(deadline.aborted ? "timeout" : "network", {
        detail: deadline.aborted ? "There was no answer in time." : "The server was not reached.",
      });
    }
  }
}

/**
 * Which rules of `policy` (what `Client.policy` gives) `password` breaks, as far as a page can tell
 * without sending it: an empty list does not say that it will be accepted.
 */
export function violations(policy, password) {
  const found = policy.rules.filter(({ browser_check: check }) =>
    check && BROWSER_CHECKS.get(check.kind)?.(password, check),
  );
  const listed = found.map(({ code, text }) => ({ code, text }));
  const isTooLong = isLongerThan(password, policy.length.maximum);
  return isTooLong ? [{ code: "password_too_long", text: null }, ...listed] : listed;
}

const CLASSES = new Map([["letter", /\p{L}/u], ["digit", /\p{Nd}/u]]);

/** Whether a password breaks a rule of that kind. What is not known here is left to the server. */
const BROWSER_CHECKS = new Map([
  ["length", (password, { minimum, normalization }) => {
    const counted = normalization ? password.normalize(normalization) : password;
    return !isLongerThan(counted, minimum - 1);
  }],
  ["contains", (password, { classes }) =>
    classes.some((name) => CLASSES.get(name)?.test(password) === false)],
  ["not_only_digits", (password) => /^\p{Nd}+$/u.test(password)],
]);

/** Whether `text` has more than `most` code points. What is far too long is not taken apart. */
function isLongerThan(text, most) {
  return text.length > 2 * most || [...text].length > most;
}

/** Whether a CSRF token may go to `url`: it is for the site that gave it. */
function isOwnOrigin(url) {
  const { location } = globalThis;
  return location !== undefined && new URL(url, location.href).origin === location.origin;
}

/** Django's token: from a form of the page, from a meta element, or from the cookie. */
function csrfFromPage() {
  if (typeof document === "undefined") return null;
  const field = document.querySelector("input[name=csrfmiddlewaretoken]");
  const meta = document.querySelector("meta[name=csrf-token]");
  const cookie = /(?:^|;\s*)(?:__Host-|__Secure-)?csrftoken=([^;]+)/.exec(document.cookie);
  return field?.value || meta?.content || cookie?.[1] || null;
}

async function sha1(text) {
  if (!globalThis.crypto?.subtle) {
    throw new CredfirewallError("insecure_context", { detail: "This needs HTTPS, or localhost." });
  }
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  const bytes = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return bytes.join("").toUpperCase();
}

/**
 * The count of `suffix` in a range, or null if it is none: half of an answer is no answer. Rows of
 * count 0 are padding, and the real service has no range without others.
 */
function countIn(range, suffix) {
  const rows = (range ?? "").split(/\r?\n/).filter(Boolean).map((row) => ROW.exec(row));
  if (rows.includes(null)) return null;
  const count = (row) => Number(row[2].replaceAll(",", ""));
  if (!rows.some((row) => count(row) > 0)) return null;
  const row = rows.find(([, each]) => each.toUpperCase() === suffix);
  return row ? count(row) : 0;
}

/** The text of an answer, or null if it is longer than any that is meant. */
async function textOf(response) {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > MOST_BYTES) {
      await reader.cancel();
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** The JSON object that is `text`, or null: a proxy's page, say. */
function objectIn(text) {
  try {
    const found = JSON.parse(text);
    return typeof found === "object" && !Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}

function problem({ status, statusText, headers }, answer) {
  const seconds = Number.parseInt(headers.get("Retry-After") ?? "", 10);
  const isOurs = typeof answer?.code === "string";
  return new CredfirewallError(isOurs ? answer.code : "answer_not_understood", {
    status,
    title: isOurs ? answer.title : statusText,
    detail: isOurs ? answer.detail : "",
    retryAfter: Number.isNaN(seconds) ? null : seconds,
    problem: answer,
  });
}
