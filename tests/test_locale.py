"""Every message of the sources is translated in every catalogue, and reads well when shown."""

import ast
import gettext
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polib
import pytest
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.translation.template import templatize

import credfirewall
import dev
from credfirewall.screening.models import BlockedWord
from credfirewall.testing import breached

PACKAGE = Path(credfirewall.__file__).parent
LOCALE = PACKAGE / "locale"
LANGUAGES = ["de", "en", "es", "fr", "it", "pt_BR"]
UNITS = ("%(seconds)d s", "%(minutes)d min", "%(hours)d h %(minutes)d min")
SAME = {
    *((language, "API") for language in ("de", "es", "fr", "it", "pt_BR")),
    *((language, "Have I Been Pwned") for language in ("de", "es", "fr", "it", "pt_BR")),
    *((language, unit) for language in ("de", "es", "it", "pt_BR") for unit in UNITS),
    ("de", "Details"),
    *(("es", word) for word in ("no", "actor", "Actor")),
    *(("fr", word) for word in ("Source", "source", "note", "Pages")),
    *(("it", word) for word in ("no", "user agent", "User agent", "Audit")),
    *(("pt_BR", word) for word in ("log", "Log")),
}
"""What is spelt as in English."""
FUNCTION = re.compile(r"(n?)(p?)gettext(?:_lazy|_noop)?")
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[a-zA-Z%]")
PASSWORD = "four unrelated words went fishing"


class Message(NamedTuple):
    """What identifies an entry of a catalogue."""

    text: str
    plural: str = ""
    context: str | None = None


def collect(tree: ast.AST, named: dict[str, str], name: str) -> Iterator[Message]:
    """The messages of a syntax tree, where ``named`` tells what a function is called there."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Name):
            function = named.get(node.func.id, node.func.id)
        if shape := FUNCTION.fullmatch(function):
            count = 1 + len(shape[1]) + len(shape[2])
            texts = [a.value for a in node.args[:count] if isinstance(a, ast.Constant)]
            strings = [text for text in texts if isinstance(text, str)]
            assert len(strings) == count, f"{name}: a message is not text: {ast.unparse(node)}"
            context = strings.pop(0) if shape[2] else None
            yield Message(strings[0], strings[1] if shape[1] else "", context)


def in_python(source: str, name: str = "") -> set[Message]:
    tree = ast.parse(source, name)
    named = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
    }
    return set(collect(tree, named, name))


def in_template(source: str, name: str = "") -> set[Message]:
    text = r"u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    calls = re.findall(rf"\b(?:n?p?gettext|_)\({text}(?:, {text})*", templatize(source, name))
    tree = ast.parse("\n".join(f"{call})" for call in calls))
    return set(collect(tree, {"_": "gettext"}, name))


def in_sources() -> set[Message]:
    found: set[Message] = set()
    for path in PACKAGE.rglob("*.py"):
        found |= in_python(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE)))
    for path in (PACKAGE / "templates").rglob("*.*"):
        found |= in_template(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE)))
    return found


def source_of(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(str(source_of(language)), check_for_duplicates=True)


def key(entry: polib.POEntry | polib.MOEntry) -> Message:
    return Message(entry.msgid, entry.msgid_plural, entry.msgctxt)


def forms(entry: polib.POEntry | polib.MOEntry) -> list[str]:
    """The translation, or one for each of the plural forms."""
    if entry.msgid_plural:
        return [text for _, text in sorted(entry.msgstr_plural.items())]
    return [entry.msgstr]


each_language = pytest.mark.parametrize("language", LANGUAGES)


def test_messages_of_python_are_found() -> None:
    source = (
        "from django.utils import translation\n"
        "from django.utils.translation import gettext_lazy as _, npgettext as n, ngettext\n"
        "_('one ' 'and a half'); ngettext('%d', '%ds', 2); n('c', 'x', 'xs', 3)\n"
        "translation.pgettext('c', 'y'); other('no')\n"
    )
    assert in_python(source) == {
        Message("one and a half"),
        Message("%d", "%ds"),
        Message("x", "xs", "c"),
        Message("y", context="c"),
    }


@pytest.mark.parametrize("argument", ["f'{x}'", "x", "'a' + x", "1"])
def test_a_message_that_cannot_be_collected_is_refused(argument: str) -> None:
    with pytest.raises(AssertionError, match="is not text"):
        in_python(f"from django.utils.translation import gettext as _\n_({argument})")


def test_messages_of_templates_are_found() -> None:
    source = (
        """{% load i18n %}{% translate "it's (one) here" %}{% translate 'y' context "c" %}"""
        """{{ x|default:_("or this") }}{% blocktranslate %}of {{ x }}{% endblocktranslate %}"""
        """{% blocktranslate count n=n %}a{% plural %}b{% endblocktranslate %}"""
    )
    assert in_template(source) == {
        Message("it's (one) here"),
        Message("y", context="c"),
        Message("or this"),
        Message("of %(x)s"),
        Message("a", "b"),
    }


def test_there_are_messages_and_catalogues() -> None:
    assert Message("Credential firewall") in in_sources()
    assert sorted(path.parts[-3] for path in LOCALE.rglob("django.po")) == LANGUAGES


@each_language
def test_a_catalogue_holds_the_messages_of_the_sources_and_no_other(language: str) -> None:
    po = catalogue(language)
    assert {key(entry) for entry in po if not entry.obsolete} == in_sources()
    assert po.obsolete_entries() == []


@each_language
def test_every_message_is_translated(language: str) -> None:
    po = catalogue(language)
    assert not po.metadata_is_fuzzy
    assert [
        entry.msgid for entry in po if entry.fuzzy or not all(map(str.strip, forms(entry)))
    ] == []
    english = [
        entry.msgid
        for entry in po
        if {entry.msgid, entry.msgid_plural}.intersection(forms(entry))
        and (language, entry.msgid) not in SAME
    ]
    assert english == ([entry.msgid for entry in po] if language == "en" else [])


def test_english_says_what_the_sources_say() -> None:
    for entry in catalogue("en"):
        assert forms(entry) == [text for text in (entry.msgid, entry.msgid_plural) if text]


@each_language
def test_placeholders_are_those_of_the_message(language: str) -> None:
    for entry in catalogue(language):
        wanted = sorted(PLACEHOLDER.findall(entry.msgid))
        for text in (entry.msgid_plural or entry.msgid, *forms(entry)):
            assert sorted(PLACEHOLDER.findall(text)) == wanted, text


@each_language
def test_punctuation_at_the_end_is_kept(language: str) -> None:
    for entry in catalogue(language):
        assert {text.endswith(".") for text in forms(entry)} == {entry.msgid.endswith(".")}
        assert all(text == text.strip() for text in forms(entry))


@each_language
def test_there_are_as_many_plurals_as_the_header_says(language: str) -> None:
    po = catalogue(language)
    header = re.fullmatch(r"nplurals=(\d); plural=(.+);", po.metadata["Plural-Forms"])
    assert header
    count, choose = int(header[1]), gettext.c2py(header[2])
    assert {choose(n) for n in (*range(200), 10**6, 10**9)} == set(range(count))
    for entry in po:
        assert set(entry.msgstr_plural) == (set(range(count)) if entry.msgid_plural else set())


@each_language
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    po, mo = catalogue(language), polib.mofile(str(source_of(language).with_suffix(".mo")))
    assert {key(entry): forms(entry) for entry in mo} == {key(entry): forms(entry) for entry in po}
    assert mo.metadata == po.metadata


@each_language
def test_the_header_names_the_language_and_neither_time_nor_person(language: str) -> None:
    po = catalogue(language)
    assert po.metadata["Language"] == language
    assert set(po.metadata) == {
        "Project-Id-Version",
        "Language",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Plural-Forms",
    }
    assert "@" not in po.header and not any(entry.occurrences for entry in po)


def test_the_files_are_as_the_task_writes_them(tmp_path: Path) -> None:
    copy = tmp_path / "locale"
    shutil.copytree(LOCALE, copy)
    for path in copy.rglob("*.mo"):
        path.unlink()
    dev.compile_catalogues(tmp_path)
    for path in sorted(LOCALE.rglob("django.[mp]o")):
        again = (copy / path.relative_to(LOCALE)).read_bytes()
        assert again == path.read_bytes(), path.relative_to(LOCALE)


REFUSALS = [
    ("de", 3730471, "ist in bekannten Datenlecks 3.730.471 Mal aufgetaucht, daher"),
    ("en", 1, "has appeared 1 time in known data breaches, so"),
    ("en", 3730471, "has appeared 3,730,471 times in known data breaches, so"),
    ("es", 1, "ha aparecido 1 vez en filtraciones de datos conocidas, así"),
    ("es", 2000000, "ha aparecido 2\xa0000\xa0000 de veces en filtraciones de datos"),
    ("es", 3730471, "ha aparecido 3\xa0730\xa0471 veces en filtraciones de datos"),
    ("fr", 3730471, "est apparu 3\xa0730\xa0471 fois dans des fuites de données connues\xa0:"),
    ("fr", 2000000, "est apparu 2\xa0000\xa0000 de fois dans des fuites de données"),
    ("it", 1, "è comparsa 1 volta in violazioni di dati note, quindi"),
    ("it", 2000000, "è comparsa 2.000.000 di volte in violazioni di dati note"),
    ("it", 3730471, "è comparsa 3.730.471 volte in violazioni di dati note"),
    ("pt-br", 1, "apareceu 1 vez em vazamentos de dados conhecidos, portanto"),
    ("pt-br", 2000000, "apareceu 2.000.000 de vezes em vazamentos de dados"),
    ("pt-br", 3730471, "apareceu 3.730.471 vezes em vazamentos de dados"),
]
HELP = {
    "de": [
        "Verwenden Sie mindestens 15 Zeichen. Jedes",
        "Verwenden Sie weder",
        "Ihr Passwort wird",
    ],
    "en": ["Use at least 15 characters. Any", "Do not use your name", "Your password is compared"],
    "es": ["Use al menos 15 caracteres. Cualquier", "No use su nombre", "Su contraseña se compara"],
    "fr": ["Utilisez au moins 15 caractères. Tous", "N\u2019utilisez ni", "Votre mot de passe est"],
    "it": ["Usare almeno 15 caratteri. Vale", "Non usare come password", "La password viene"],
    "pt-br": [
        "Use pelo menos 15 caracteres. Qualquer",
        "Não use seu nome",
        "Sua senha é comparada",
    ],
}
WORDS = {
    "de": "gesperrte Wörter",
    "en": "blocked words",
    "es": "palabras bloqueadas",
    "fr": "mots bloqués",
    "it": "parole bloccate",
    "pt-br": "palavras bloqueadas",
}


def test_every_language_has_its_example() -> None:
    names = {translation.to_language(language) for language in LANGUAGES}
    assert {language for language, _, _ in REFUSALS} == set(HELP) == set(WORDS) == names


@pytest.mark.parametrize(("language", "count", "expected"), REFUSALS)
def test_a_breached_password_is_refused_in_the_language(
    language: str, count: int, expected: str
) -> None:
    with (
        translation.override(language),
        breached({PASSWORD: count}),
        pytest.raises(ValidationError) as caught,
    ):
        validate_password(PASSWORD)
    (shown,) = caught.value.messages
    assert expected in shown


@pytest.mark.parametrize("language", HELP)
def test_the_help_is_in_the_language(language: str) -> None:
    with translation.override(language):
        texts = password_validators_help_texts()
    assert len(texts) == len(HELP[language])
    for text, start in zip(texts, HELP[language], strict=True):
        assert text.startswith(start)


@pytest.mark.parametrize("language", WORDS)
def test_the_admin_is_in_the_language(language: str) -> None:
    with translation.override(language):
        assert str(BlockedWord._meta.verbose_name_plural) == WORDS[language]
