// The password API that many start from, in Express, with express-rate-limit as it comes: it counts
// in its own memory. No API keys, no check of what was drawn, no audit.
//
// PORT and RATE (requests a minute) are in the environment.

const crypto = require("node:crypto");
const express = require("express");
const { rateLimit } = require("express-rate-limit");

const SETS = {
  lowercase: "abcdefghijklmnopqrstuvwxyz",
  uppercase: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  digits: "0123456789",
  special: "!@#$%^&*()_+-=[]{}|;:,.<>?",
};
const DEFAULTS = { lowercase: true, uppercase: true, digits: true, special: false };

function draw(pool, length) {
  // Biased, as it is described: 256 is no multiple of the pool.
  return Array.from(crypto.randomBytes(length), (byte) => pool[byte % pool.length]).join("");
}

const app = express();
app.use(
  rateLimit({
    windowMs: 60_000,
    limit: Number(process.env.RATE),
    message: { error: "Rate limit exceeded" },
  }),
);

app.get("/api/generate", (request, response) => {
  const asked = request.query;
  const length = Math.min(parseInt(asked.length, 10) || 16, 128);
  let pool = "";
  for (const [name, characters] of Object.entries(SETS)) {
    if (asked[name] === undefined ? DEFAULTS[name] : asked[name] === "true") pool += characters;
  }
  if (asked.exclude) pool = pool.replace(new RegExp(`[${asked.exclude}]`, "g"), "");
  if (!pool) return response.status(400).json({ error: "No characters available" });
  return response.json({ password: draw(pool, length), length });
});

app.listen(Number(process.env.PORT), "127.0.0.1");
