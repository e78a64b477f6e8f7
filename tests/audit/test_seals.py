"""The cryptography of the log: one encoding of each thing, and no proof is one of another thing."""

import hashlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credfirewall.audit import seals

KEY = bytes(range(32))
LEAVES = [seals.leaf(f"{number:032x}", f"{number:064x}") for number in range(9)]


@given(st.lists(st.text(max_size=8), max_size=6), st.lists(st.text(max_size=8), max_size=6))
def test_two_lists_of_fields_have_one_encoding_only_if_they_are_the_same(
    one: list[str], other: list[str]
) -> None:
    same = seals.canonical("domain", *one) == seals.canonical("domain", *other)
    assert same == (one == other)


def test_fields_cannot_be_shifted() -> None:
    encodings = {
        seals.canonical("d", "ab", "c"),
        seals.canonical("d", "a", "bc"),
        seals.canonical("d", "abc"),
        seals.canonical("d", "abc", ""),
        seals.canonical("da", "b", "c"),
    }
    assert len(encodings) == 5


def test_the_root_of_known_leaves() -> None:
    """Computed by hand, as RFC 6962 2.1 does it for a full tree."""

    def node(one: bytes, two: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + one + two).digest()

    a, b, c, d, e = LEAVES[:5]
    assert seals.root([]) == hashlib.sha256(b"").hexdigest()
    assert seals.root([a]) == a.hex()
    assert seals.root([a, b]) == node(a, b).hex()
    assert seals.root([a, b, c]) == node(node(a, b), c).hex()
    assert seals.root([a, b, c, d, e]) == node(node(node(a, b), node(c, d)), e).hex()


@pytest.mark.parametrize("size", range(1, 10))
def test_every_change_of_a_batch_changes_its_root(size: int) -> None:
    leaves = LEAVES[:size]
    roots = {seals.root(leaves)}
    variants = [leaves[:-1], [*leaves, leaves[-1]]]
    for one, two in combinations(range(size), 2):
        swapped = leaves[:]
        swapped[one], swapped[two] = swapped[two], swapped[one]
        variants.append(swapped)
    forged = seals.leaf("f" * 32, "0")
    variants += [[*leaves[:place], forged, *leaves[place + 1 :]] for place in range(size)]
    for variant in variants:
        roots.add(seals.root(variant))
    assert len(roots) == 1 + len(variants)


def test_a_node_is_no_leaf() -> None:
    a, b = LEAVES[:2]
    inner = bytes.fromhex(seals.root([a, b]))
    assert seals.leaf("", "") != inner
    assert hashlib.sha256(seals.LEAF + a + b).digest() != inner


def test_proofs_are_of_one_kind_each() -> None:
    log, head = "a" * 32, "b" * 64
    messages = {
        seals.stub(log, 1, head, 2, 3, 4),
        seals.verification(log, 1, head, 2, 3),
        seals.membership(log, 1, 2, head, "3"),
    }
    assert len({seals.mac(KEY, message) for message in messages}) == 3


@pytest.mark.parametrize(
    "given",
    ["", "0" * 64, "x", seals.mac(KEY, b"message").upper(), seals.mac(KEY, b"other"), "\u00e9"],
)
def test_what_is_not_the_mac(given: str) -> None:
    assert not seals.is_mac(KEY, b"message", given)
    assert seals.is_mac(KEY, b"message", seals.mac(KEY, b"message"))


def test_a_commitment_says_nothing_without_its_salt() -> None:
    assert seals.commitment("a", "user", "1", "ann") != seals.commitment("b", "user", "1", "ann")
    assert seals.commitment("a", "user", "1", "ann") != seals.commitment("a", "user", "1a", "nn")
