/** credfirewall for browsers: see client.js. */

export interface ClientOptions {
  /** Where the project includes `credfirewall.urls`: "/" unless it says otherwise. */
  baseUrl?: string;
  /** A range server of your own, such as this project's `range/`; else Have I Been Pwned. */
  rangeUrl?: string;
  /** Whether to ask for padding, so that the size of an answer tells nothing. True by default. */
  padding?: boolean;
  /** An API key. For servers: what is in a page is everybody's. Without one the session counts. */
  key?: string | null;
  /** Django's CSRF token, or what finds it. By default: a form, a meta element, the cookie. */
  csrfToken?: string | null | (() => string | null);
  /** Milliseconds, 10,000 by default. */
  timeout?: number;
  fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Milliseconds. */
  timeout?: number;
}

export type Kind = "password" | "passphrase" | "pin" | "pronounceable";

/** What to generate. The server names the field of what it does not accept. */
export interface Spec {
  kind?: Kind;
  length?: number;
  lowercase?: boolean;
  uppercase?: boolean;
  digits?: boolean;
  special?: boolean;
  exclude?: string;
  exclude_ambiguous?: boolean;
  require_each?: boolean;
  alphabet?: string;
  words?: number;
  separator?: string;
  capitals?: boolean;
  digit?: boolean;
  count?: number;
}

export interface Generated {
  password: string;
  kind: Kind;
  length: number;
  entropy_bits: number;
  policy_checked: boolean;
}

export type BrowserCheck =
  | { kind: "length"; minimum: number; normalization: "NFC" | null }
  | { kind: "contains"; classes: ("letter" | "digit")[] }
  | { kind: "not_only_digits" };

export interface Rule {
  code: string | null;
  text: string;
  browser_check: BrowserCheck | null;
}

export interface Policy {
  profile: "nist" | "pci" | "asvs";
  length: { minimum: number; maximum: number; unit: "code_points" };
  breach_screening: boolean;
  rules: Rule[];
}

export interface Check {
  acceptable: boolean;
  violations: { code: string; message: string }[];
  breach: {
    status: "clean" | "breached" | "unknown";
    count: number | null;
    source: string | null;
  };
}

export interface Redeemed {
  mode: "set_password" | "reveal";
  secret?: string;
}

export class CredfirewallError extends Error {
  /** Stable: "rate_limited", "timeout", "breach_source_unavailable" ... */
  readonly code: string;
  /** Of HTTP, 0 where there was no answer. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Seconds. */
  readonly retryAfter: number | null;
  /** The whole answer (RFC 9457). */
  readonly problem: Record<string, unknown> | null;
}

export class Client {
  constructor(options?: ClientOptions);
  generate(spec: Spec & { count: number }, options?: CallOptions): Promise<Generated[]>;
  generate(spec?: Spec & { count?: undefined }, options?: CallOptions): Promise<Generated>;
  policy(options?: CallOptions): Promise<Policy>;
  check(
    password: string,
    options?: { username?: string; email?: string } & CallOptions,
  ): Promise<Check>;
  redeem(
    token: string,
    options?: { passphrase?: string; newPassword?: string } & CallOptions,
  ): Promise<Redeemed>;
  breachCount(password: string, options?: CallOptions): Promise<number>;
}

export function violations(
  policy: Policy,
  password: string,
): { code: string | null; text: string | null }[];
