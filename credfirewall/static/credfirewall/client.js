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
/** Ten times what the real service answers with padding. */
const MOST_RANGE_BYTES = 1 << 20;
const SAFE_METHODS = new Set(["GET", "HEAD"]);

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
    const answer = await this.#post("api/v1/passwords/generate", spec, options);
    return "passwords" in answer ? answer.passwords : answer;
  }

  /** The policy: what a password must be, for a page to show. See `violations`. */
  policy(options = {}) {
    return this.#call("GET", "api/v1/passwords/policy", null, options);
  }

  /** Have a password checked against the policy and known breaches. On submit, not while typing. */
  check(password, { username, email, ...options } = {}) {
    const body = withoutUndefined({ password, username, email });
    return this.#post("api/v1/passwords/check", body, options);
  }

  /** Redeem what was handed over: a secret, or the right to set a password. */
  redeem(token, { passphrase, newPassword, ...options } = {}) {
    const body = withoutUndefined({ token, passphrase, new_password: newPassword });
    return this.#post("api/v1/deliveries/redeem", body, options);
  }

  /**
   * How often a password is in known breaches: 0 for one that is in none. Five characters of its
   * SHA-1 leave the page, and no cookie. On submit, not while typing: a prefix for each keystroke
   * would tell the password. Rejects when the service gives no answer, which is not 0.
   */
  async breachCount(password, options = {}) {
    if ([...password].length > MOST_CODE_POINTS) {
      throw new CredfirewallError("password_too_long");
    }
    if (!password.isWellFormed?.() && /\p{Surrogate}/u.test(password)) {
      throw new CredfirewallError("password_not_text");
    }
    const forms = new Set([password, password.normalize("NFC")]);
    const counts = await Promise.all([...forms].map((form) => this.#count(form, options)));
    return Math.max(...counts);
  }

  async #count(text, options) {
    const digest = await sha1(text);
    const response = await this.#send(this.#rangeUrl + digest.slice(0, 5), {
      headers: this.#padding ? { "Add-Padding": "true" } : {},
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    }, options);
    if (!response.ok) {
      throw new CredfirewallError("breach_source_unavailable", { status: response.status });
    }
    return countIn(await textOf(response), digest.slice(5));
  }

  #post(path, body, options) {
    return this.#call("POST", path, body, options);
  }

  async #call(method, path, body, options) {
    const headers = { Accept: "application/json" };
    if (body !== null) headers["Content-Type"] = "application/json";
    if (this.#key !== null) {
      headers.Authorization = `Bearer ${this.#key}`;
    } else if (!SAFE_METHODS.has(method)) {
      headers["X-CSRFToken"] = this.#csrfToken() ?? "";
    }
    const request = {
      method,
      headers,
      body: body === null ? undefined : JSON.stringify(body),
      credentials: this.#key === null ? "same-origin" : "omit",
      cache: "no-store",
      redirect: "error",
    };
    const response = await this.#send(this.#base + path, request, options);
    const answer = await jsonOf(response);
    if (!response.ok) throw problem(response, answer);
    if (answer === null || typeof answer !== "object") {
      throw new CredfirewallError("answer_not_understood", { status: response.status });
    }
    return answer;
  }

  async #send(url, request, { signal, timeout = this.#timeout } = {}) {
    const deadline = AbortSignal.timeout(timeout);
    const ended = signal ? AbortSignal.any([signal, deadline]) : deadline;
    try {
      return await this.#fetch(url, { ...request, signal: ended });
    } catch (error) {
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
    check && BROWSER_CHECKS[check.kind]?.(password, check),
  );
  const listed = found.map(({ code, text }) => ({ code, text }));
  const isTooLong = [...password].length > policy.length.maximum;
  return isTooLong ? [{ code: "password_too_long", text: null }, ...listed] : listed;
}

const CLASSES = { letter: /\p{L}/u, digit: /\p{Nd}/u };

/** Whether a password breaks a rule of that kind. What is not known here is left to the server. */
const BROWSER_CHECKS = {
  length(password, { minimum, normalization }) {
    const counted = normalization ? password.normalize(normalization) : password;
    return [...counted].length < minimum;
  },
  contains(password, { classes }) {
    return classes.some((name) => CLASSES[name] && !CLASSES[name].test(password));
  },
  not_only_digits(password) {
    return /^\p{Nd}+$/u.test(password);
  },
};

/** Django's token: from a form of the page, from a meta element, or from the cookie. */
function csrfFromPage() {
  if (typeof document === "undefined") return null;
  const field = document.querySelector("input[name=csrfmiddlewaretoken]");
  const meta = document.querySelector("meta[name=csrf-token]");
  const cookie = /(?:^|;\s*)(?:__Host-|__Secure-)?csrftoken=([^;]+)/.exec(document.cookie);
  return field?.value || meta?.content || (cookie ? decodeURIComponent(cookie[1]) : null);
}

async function sha1(text) {
  if (!globalThis.crypto?.subtle) {
    throw new CredfirewallError("insecure_context", { detail: "This needs HTTPS, or localhost." });
  }
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  const bytes = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return bytes.join("").toUpperCase();
}

/** The count of `suffix` in a range. Rows of count 0 are padding. */
function countIn(range, suffix) {
  const rows = range.split(/\r?\n/).filter(Boolean);
  if (!rows.length || !rows.every((row) => /^[0-9A-F]{35}:\d{1,12}$/i.test(row))) {
    throw new CredfirewallError("breach_source_unavailable", { detail: "No range was answered." });
  }
  const row = rows.find((each) => each.slice(0, 35).toUpperCase() === suffix);
  return row ? Number(row.slice(36)) : 0;
}

async function textOf(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > MOST_RANGE_BYTES) {
      await reader.cancel();
      throw new CredfirewallError("breach_source_unavailable", { detail: "The range is too long." });
    }
    text += decoder.decode(value, { stream: true });
  }
}

async function jsonOf(response) {
  try {
    return await response.json();
  } catch {
    return null; // a proxy's page, say: its status is all there is
  }
}

function problem(response, answer) {
  const { code = "unknown", title, detail } = answer ?? {};
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new CredfirewallError(code, {
    status: response.status,
    title: title ?? response.statusText,
    detail,
    retryAfter: Number.isNaN(seconds) ? null : seconds,
    problem: answer,
  });
}

function withoutUndefined(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
