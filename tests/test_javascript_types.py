"""The types of the JavaScript client and its manual, beside the client and the endpoints."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from credfirewall.passwords import serializers as bodies
from credfirewall.passwords.generator import KINDS
from credfirewall.screening import Status
from dev import ROOT

STATIC = ROOT / "credfirewall" / "static" / "credfirewall"
SOURCE, TYPES = ((STATIC / name).read_text() for name in ("client.js", "client.d.ts"))
MANUAL = (ROOT / "docs" / "javascript.md").read_text()
LINES = re.MULTILINE
BLOCK = re.MULTILINE | re.DOTALL


def members(interface: str) -> set[str]:
    """Names of the members of an interface or a class in the types."""
    found = re.search(rf"(?:interface|class) {interface}\b[^{{]*{{\n(.*?)^}}", TYPES, BLOCK)
    assert found, interface
    names = re.findall(r"^  (?:readonly )?(\w+)\??[:(<]", found[1], LINES)
    return set(names)


def union(name: str) -> set[str]:
    found = re.search(rf"{name}\??(?: =)?:? ((?:\"\w+\"(?: \| )?)+);", TYPES)
    assert found, name
    return set(re.findall(r'"(\w+)"', found[1]))


def test_the_types_are_those_of_the_endpoints() -> None:
    assert members("Spec") == set(bodies.SpecQuery().fields)
    assert union("type Kind") == {each.kind for each in KINDS}
    assert members("Generated") == set(bodies.VALUE["properties"])
    assert members("Policy") == set(bodies.POLICY["properties"])
    assert union("profile") == set(bodies.POLICY["properties"]["profile"]["enum"])
    rule = bodies.POLICY["properties"]["rules"]["items"]["properties"]
    assert members("Rule") == set(rule)
    assert members("Check") == set(bodies.CheckedBody().fields)
    assert union("status") == {each.value for each in Status}
    body = set(bodies.CheckBody().fields)
    assert body == {"password", "username", "email"}
    assert all(f"{each}: string" in TYPES or f"{each}?: string" in TYPES for each in body)


def test_the_types_are_those_of_the_client() -> None:
    private = {"constructor"}
    methods = set(re.findall(r"^  (?:async )?(\w+)\(.*\) {$", SOURCE, LINES)) | private
    assert members("Client") | {"constructor"} == methods
    options = re.search(r"constructor\(\{\n(.*?)\n  \} = \{\}\)", SOURCE, BLOCK)
    assert options
    assert members("ClientOptions") == set(re.findall(r"^    (\w+) =", options[1], LINES))
    fields = re.search(r"Object\.assign\(this, \{ (.*) \}\)", SOURCE)
    assert fields
    assert members("CredfirewallError") == set(fields[1].split(", "))
    kinds = set(re.findall(r'^  \["(\w+)", ', SOURCE, LINES))
    assert set(re.findall(r'kind: "(\w+)"', TYPES)) == kinds


def test_the_manual_names_everything() -> None:
    for name in [*members("Client") - {"constructor"}, *members("ClientOptions"), "violations"]:
        assert f"`{name}" in MANUAL, name
    codes = set(re.findall(r'CredfirewallError\(\s*"(\w+)"', SOURCE))
    codes |= {"timeout", "network", "answer_not_understood"}
    for code in codes:
        assert f"`{code}`" in MANUAL, code


CONSUMER = """
import { Client, CredfirewallError, violations } from "./client.js";
import type { Generated, Policy } from "./client.js";

const client = new Client({ rangeUrl: "https://example.com/range/", csrfToken: () => null });

export async function suggest(signal: AbortSignal): Promise<string> {
  const one: Generated = await client.generate({ length: 24 }, { signal });
  const several: Generated[] = await client.generate({ kind: "passphrase", count: 3 });
  return one.password + several.map((each) => each.password).join();
}

export async function judge(policy: Policy, password: string): Promise<string[]> {
  const here = violations(policy, password).map(({ code }) => code ?? "rule");
  try {
    const { acceptable, breach } = await client.check(password, { username: "ann", timeout: 500 });
    const count: number = await client.breachCount(password);
    return acceptable && breach.status === "clean" && count === 0 ? here : ["refused"];
  } catch (error) {
    if (error instanceof CredfirewallError) return [error.code, String(error.retryAfter ?? 0)];
    throw error;
  }
}

export const redeemed: Promise<string | undefined> = client
  .redeem("token", { newPassword: "an odd one of mine" })
  .then(({ mode, secret }) => (mode === "reveal" ? secret : undefined));

// @ts-expect-error: a misspelt option is one that the server refuses
client.generate({ lenght: 24 });
// @ts-expect-error: several are a list
client.generate({ count: 2 }).then((one) => one.password);
// @ts-expect-error: there is no such kind
client.generate({ kind: "poem" });
"""


@pytest.mark.slow
def test_a_program_in_typescript(tmp_path: Path) -> None:
    compiler = shutil.which("tsc")
    if compiler is None:
        pytest.skip("there is no TypeScript compiler (tsc) on PATH")
    shutil.copy(STATIC / "client.d.ts", tmp_path)
    shutil.copy(STATIC / "client.js", tmp_path)
    (tmp_path / "consumer.ts").write_text(CONSUMER)
    options = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext"]
    options += ["--moduleResolution", "bundler", "--lib", "es2022,dom"]
    done = subprocess.run(
        [compiler, *options, "consumer.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "")
