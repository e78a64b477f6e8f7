# mypy: ignore-errors
# What it imports is in an environment of its own.
"""The password API that many start from, in FastAPI, with slowapi as it comes.

The limit is counted in its own memory. No API keys, no check of what was drawn, no audit. RATE, in
the environment, is the requests a minute.
"""

import os
import secrets
import string

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

SPECIAL = "!@#$%^&*()_+-=[]{}|;:,.<>?"

app = FastAPI()
limiter = Limiter(key_func=get_remote_address)
app.state.limiter = limiter


@app.exception_handler(RateLimitExceeded)
async def too_many(_request: Request, _error: RateLimitExceeded) -> JSONResponse:
    return JSONResponse({"error": "Rate limit exceeded"}, status_code=429)


@app.get("/api/generate")
@limiter.limit(f"{os.environ['RATE']}/minute")
async def generate(
    request: Request,
    length: int = Query(16, ge=4, le=128),
    lowercase: bool = True,
    uppercase: bool = True,
    digits: bool = True,
    special: bool = False,
    exclude: str = "",
) -> dict[str, str | int]:
    wanted = (
        (lowercase, string.ascii_lowercase),
        (uppercase, string.ascii_uppercase),
        (digits, string.digits),
        (special, SPECIAL),
    )
    pool = "".join(characters for is_wanted, characters in wanted if is_wanted)
    pool = "".join(each for each in pool if each not in exclude)
    if not pool:
        raise HTTPException(status_code=400, detail="No characters available")
    password = "".join(secrets.choice(pool) for _ in range(length))
    return {"password": password, "length": length}
