"""What people make of a common password when a longer one is asked for. Pure.

``derived_forms`` is the specification and the list at once: each section is one habit, bounded so
that every form stays as guessable as the word it is made of. Everything comes out as the blocklist
compares it (lower case, NFC). Repetitions are not listed: ``bundled`` reduces them by arithmetic.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice, pairwise, permutations, product
from operator import add
from string import ascii_lowercase


def listed(text: str) -> list[str]:
    """Return the words of ``text``."""
    return text.split()


DIGITS = "1234567890"
SHIFTED = str.maketrans(DIGITS, "!@#$%^&*()")
LAYOUTS = (
    (DIGITS, "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    (DIGITS, "qwertzuiop", "asdfghjkl", "yxcvbnm"),
    (DIGITS, "azertyuiop", "qsdfghjklm", "wxcvbn"),
    (DIGITS, "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
)
NUMBER_PAD = listed("123 456 789 321 654 987 147 258 369 741 852 963 159 357 951 753")
LONGEST_RUN = 40
"""Code points up to which a sequence is listed from every start."""

YEARS = [str(year) for year in range(1955, 2036)]
RECENT_YEARS = [str(year) for year in range(2018, 2031)]
COUNTS = [DIGITS[:length] for length in range(1, 11)]
NUMBERS = [
    *COUNTS,
    *((DIGITS * 2)[:length] for length in range(11, 17)),
    *(DIGITS[start:] for start in range(1, 6)),
    *("321", "54321", "654321", "987654321", "0987654321", "01", "007", "11", "22", "69", "77"),
    *("88", "99", "111", "123123", "123321", "666", "777", "999", "12345678910", "112233"),
    *("111111", "000000", "123456789123456789", "12345678900987654321", "1234567890987654321"),
]
MARKS = ["!", "!!", "!!!", ".", "?", "*", "#", "$", "@", "1!", "12!", "123!", "1234!", "12345!"]
DECORATIONS = [*MARKS, "!1", "!123", "!@#", "!@#$", "!@#$%", "@1", "@12", "@123", "@1234", "#1"]
LEADS = listed("""
    password passwort motdepasse contrasena senha parola heslo haslo wachtwoord salasana lozinka
    admin administrator root user guest test temp login pass welcome letmein changeme default secret
    qwerty iloveyou abcdef spring summer autumn fall winter january february march april june july
    august september october november december monday friday
""")
"""What is guessed first where passwords are long: some of it ranks low in lists of short ones."""
BRIEF = ["", "1", "12", "123", "1234", "12345", "!", "1!", "123!"]
JOINTS = ["", " ", "-", "_", "."]

SPELLINGS = [
    str.maketrans(letters, signs)
    for letters, signs in (
        ("a", "@"), ("a", "4"), ("e", "3"), ("i", "1"), ("i", "!"), ("l", "1"), ("o", "0"),
        ("s", "$"), ("s", "5"), ("t", "7"), ("ao", "@0"), ("as", "@$"), ("aos", "@0$"),
        ("eo", "30"), ("aeio", "4310"), ("aeios", "@310$"), ("aeiost", "431057"),
    )
]  # fmt: skip
FRAMES = [
    tuple(frame.split("*"))
    for frame in listed("""
        ilove* ilovemy* iloveyou* love* loveyou* *love *iloveyou my* mylove* mybaby* the* *forever
        *4ever *4life *isthebest *isawesome *rocks *rules *lover *girl *boy *man iam* iamthe* hello*
        password* *password pass* *pass welcome* welcome2* super* big* little*
    """)
]
PHRASES = [
    phrase.split()
    for phrase in """
    let me in|let me in please|let me in now|open sesame|please let me in|just let me in
    change me|change me now|please change me|change this password|change this now|change it now
    this is my password|this is a password|this is the password|this is my new password
    my password is password|the password is password|password is password|this is not a password
    my secret password|super secret password|top secret password|my new password|new password
    a long password|very long password|very secure password|strong password|a strong password
    secure password|enter password here|enter your password|type your password|your password here
    i forgot my password|forgot my password|i hate passwords|i dont know|i dont know my password
    do not forget|dont forget me|fifteen characters|sixteen characters|at least fifteen characters
    15 characters long|at least 15 characters|minimum 15 characters|this is long enough
    long enough now|is this long enough|two factor authentication|correct horse battery staple
    correct horse|battery staple|trust no one|no password|temporary password|temp password
    default password|initial password|company password|admin password|administrator password
    root password|test password|welcome to the company|welcome to work|welcome back|welcome home
    i love you|i love you so much|i love you baby|i love you forever|i love you more|i love you too
    i love you always|i love my family|i love my mom|i love my mother|i love my dad|i love my life
    i love my wife|i love my husband|i love my boyfriend|i love my girlfriend|i love my daughter
    i love my son|i love my kids|i love my babies|i love my dog|i love my cat|i love my dogs
    i love my cats|i love my baby|i love jesus|i love god|i love music|i love football|i love soccer
    i love chocolate|i love cheese|i love pizza|i love horses|i love dancing|i love summer
    i love myself|i miss you|i miss you so much|i hate you|i hate school|i need you|i want you
    you and me|you are my sunshine|me and you forever|always and forever|forever and ever
    forever and always|best friends forever|friends forever|together forever|love is forever
    true love|my one true love|my love forever|my only love|love of my life|baby girl|baby boy
    jesus is lord|jesus christ is lord|jesus loves me|jesus loves you|jesus is my lord
    jesus saves|jesus christ|in jesus name|god is love|god is good|god is good all the time
    god bless you|god bless us|god bless america|god is great|in god we trust|thank you jesus
    thank you lord|thank you god|thank god|praise the lord|praise god|the lord is my shepherd
    hail mary full of grace|our father who art in heaven|allahu akbar|la ilaha illallah
    the quick brown fox|the quick brown fox jumps|quick brown fox jumps over the lazy dog
    the quick brown fox jumps over the lazy dog|lorem ipsum|lorem ipsum dolor sit amet
    hello world|hello my name is|hello my friend|hello kitty|hello there|hello hello hello
    to be or not to be|to be or not to be that is the question|once upon a time|the end
    live laugh love|live love laugh|peace love and happiness|peace and love|carpe diem
    hakuna matata|never give up|never say never|never surrender|just do it|keep calm and carry on
    keep calm|life is good|life is beautiful|life is short|life is a beach|life is hard
    dreams come true|follow your dreams|believe in yourself|time is money|money money money
    show me the money|knowledge is power|practice makes perfect|better late than never
    happy birthday|happy birthday to you|happy new year|merry christmas|good morning|good night
    good luck|have a nice day|happy days|happy family|what the fuck|what the hell|fuck you all
    fuck you bitch|fuck off bitch|go to hell|kiss my ass|i am the best|i am awesome|i am happy
    i am legend|i am batman|i am groot|i am iron man|i am your father|luke i am your father
    may the force be with you|use the force luke|star wars|star trek|live long and prosper
    beam me up scotty|the force awakens|darth vader|obi wan kenobi|luke skywalker|master yoda
    lord of the rings|the lord of the rings|one ring to rule them all|you shall not pass
    frodo baggins|bilbo baggins|harry potter|hermione granger|expecto patronum|avada kedavra
    game of thrones|winter is coming|you know nothing jon snow|valar morghulis|the walking dead
    breaking bad|say my name|the big bang theory|doctor who|sherlock holmes|james bond
    the matrix|follow the white rabbit|there is no spoon|to infinity and beyond|finding nemo
    ill be back|hasta la vista|hasta la vista baby|houston we have a problem|the truth is out there
    the cake is a lie|all your base are belong to us|call of duty|grand theft auto|world of warcraft
    for the horde|league of legends|final fantasy|super mario|super mario bros|legend of zelda
    counter strike|need for speed|assassins creed|gotta catch em all|pikachu i choose you
    stairway to heaven|hotel california|bohemian rhapsody|we are the champions|we will rock you
    another brick in the wall|dark side of the moon|wish you were here|comfortably numb
    nothing else matters|enter sandman|master of puppets|fade to black|smells like teen spirit
    come as you are|highway to hell|back in black|let it be|here comes the sun|hey jude
    all you need is love|yellow submarine|come together|dont stop believing|sweet child of mine
    welcome to the jungle|knocking on heavens door|iron maiden|the number of the beast
    linkin park|green day|black sabbath|led zeppelin|pink floyd|red hot chili peppers|guns n roses
    system of a down|rage against the machine|michael jackson|justin bieber|taylor swift
    manchester united|manchester city|real madrid|hala madrid|visca barca|fc barcelona|ac milan
    forza juve|forza inter|forza milan|bayern munchen|liverpool fc|you will never walk alone
    youll never walk alone|glory glory man united|cristiano ronaldo|lionel messi|dallas cowboys
    new york yankees|new york city|los angeles lakers|boston red sox|green bay packers|go packers go
    one two three|one two three four|one two three four five|one two three four five six
    uno dos tres|uno dos tres cuatro|uno dos tres cuatro cinco|eins zwei drei|eins zwei drei vier
    eins zwei drei vier funf|un deux trois|un deux trois quatre|um dois tres quatro|raz dwa trzy
    alpha beta gamma|alpha beta gamma delta|alpha bravo charlie|alpha bravo charlie delta
    monday tuesday wednesday|january february march|red green blue|black and white|north south east
    te amo|te amo mucho|te quiero|te quiero mucho|te amo mi amor|amor de mi vida|mi amor|mi vida
    mi familia|amo a mi familia|dios es amor|dios te ama|dios es fiel|gracias dios|jesus te ama
    eu te amo|eu te amo muito|deus e fiel|deus e amor|jesus te ama|minha vida|meu amor
    je taime|je t aime|je taime mon amour|mon amour|mon amour pour toujours|mot de passe
    ich liebe dich|ich liebe dich so sehr|mein passwort|das ist mein passwort|passwort vergessen
    hallo welt|guten tag|ti amo|ti amo tanto|amore mio|la vita e bella|la mia password
    aku cinta kamu|saya cinta kamu|aku sayang kamu|kata sandi|mahal kita|mahal na mahal kita
    wo ai ni|ya tebya lyublyu|kocham cie|kocham cie bardzo|seni seviyorum|ik hou van jou
    """.replace("\n", "|").split("|")
    if phrase.strip()
]


def derived_forms(words: Iterable[str]) -> Iterator[str]:
    """Yield long and derived forms; ``words`` come most frequent first (ASVS 6.2.4).

    Some forms come more than once.
    """
    yield from sequences()
    for layout in LAYOUTS:
        yield from keyboard_walks(layout)
    yield from number_pad_walks()
    yield from phrases()
    usual = islice((word for word in words if word.isalpha() and 4 <= len(word) <= 12), 150)
    plain = list(dict.fromkeys([*LEADS, *usual]))
    yield from extended(plain)
    yield from sandwiches(plain[:120])
    yield from dated(plain[:70])
    yield from respelled(plain[:80])
    yield from framed(plain[:80])
    yield from pairs(plain[:90])


def sequences() -> Iterator[str]:
    """Yield counting, alphabets, mirrors, stutters and alternations, up and down."""
    for cycle in (DIGITS, DIGITS[::-1], ascii_lowercase, ascii_lowercase[::-1]):
        endless = cycle * (LONGEST_RUN // len(cycle) + 2)
        for start, length in product(range(len(cycle)), range(4, LONGEST_RUN + 1)):
            yield endless[start : start + length]
    for ladder in (DIGITS, "0123456789", ascii_lowercase):
        for length in range(3, len(ladder) + 1):
            up, down = ladder[:length], ladder[length - 1 :: -1]
            yield from (up + down, up + down[1:], down + up, down + up[1:])
            yield from ("".join(sign * times for sign in up) for times in (2, 3, 4))
            yield "".join(sign * times for times, sign in enumerate(up[:9], 1))
    numbers = [str(number) for number in range(31)]
    for first, last in product((0, 1), range(9, 31)):
        yield "".join(numbers[first : last + 1])
        yield "".join(reversed(numbers[first : last + 1]))
    for step, last in product((2, 5, 10), range(6, 16)):
        yield "".join(str(number * step) for number in range(1, last))
    for row in (ascii_lowercase, ascii_lowercase[::-1]):
        yield from beside_digits(row)
    for run, at in product(range(2, 6), range(len(YEARS))):
        yield "".join(YEARS[at : at + run])
        yield "".join(reversed(YEARS[at : at + run]))


def beside_digits(row: str) -> Iterator[str]:
    """Yield the beginnings of ``row`` with counting before, after and in between."""
    for start in beginnings(row, 3):
        for count in (*COUNTS, "0987654321"):
            yield start + count
            yield count + start
    for one, other in permutations((row[:10], DIGITS), 2):
        for left, right in product((one, one[::-1]), (other, other[::-1])):
            yield from beginnings(in_turn(left, right), 6)


def beginnings(text: str, shortest: int) -> Iterator[str]:
    """Yield the beginnings of ``text`` from ``shortest`` code points up, itself included."""
    return (text[:length] for length in range(shortest, len(text) + 1))


def in_turn(one: Iterable[str], other: Iterable[str]) -> str:
    """Return a piece of ``one``, a piece of ``other`` and so on, while both last."""
    return "".join(map(add, one, other))


def every_other(one: Iterable[str], other: Iterable[str]) -> list[str]:
    """Return the first of ``one``, the second of ``other``, the third of ``one`` and so on."""
    return [pair[at % 2] for at, pair in enumerate(zip(one, other, strict=True))]


def keyboard_walks(rows: Sequence[str]) -> Iterator[str]:
    """Yield walks along rows and down columns, zig-zags, and blocks of a few columns."""
    for row in rows[1:]:
        for way in (row, row[::-1]):
            yield from beside_digits(way)
            for start in range(len(way) - 3):
                yield from beginnings(way[start:], 4)
    for count in (2, 3, 4):
        for order in permutations(rows, count):
            back = [row[::-1] for row in order]
            for walk in (order, back, every_other(order, back)):
                yield from beginnings("".join(walk), 10 * count - 6)
    for height in (0, 1):
        yield from column_walks(list(map("".join, zip(*rows[height:], strict=False))))
    for pair in pairwise(rows):
        for upper, lower in (pair, pair[::-1]):
            zigzag = in_turn(upper, lower)
            for start in range(0, len(zigzag) - 5, 2):
                yield from beginnings(zigzag[start:], 6)
    for width in range(3, 7):
        blocks = [rows[0][:width].translate(SHIFTED), *(row[:width] for row in rows)]
        yield from map("".join, product(blocks, repeat=2))
        yield from map("".join, product(blocks, repeat=3))
        yield from map("".join, permutations(blocks, 4))
        yield from map("".join, permutations(blocks, 5))


def column_walks(columns: Sequence[str]) -> Iterator[str]:
    """Yield columns one after the other: down, up, alternating, with Shift on some of them."""
    for ordered in (columns, columns[::-1]):
        up = [column[::-1] for column in ordered]
        for walk in (ordered, up, every_other(ordered, up), every_other(up, ordered)):
            held = [column.translate(SHIFTED) for column in walk]
            both = list(map(add, walk, held))
            yield from beginnings("".join(walk), 6)
            for start, end in combinations(range(len(walk) + 1), 2):
                yield "".join(walk[start:end])
            for keys in (held, every_other(walk, held), every_other(held, walk), both):
                yield from map("".join, (keys[:end] for end in range(2, len(keys) + 1)))


def number_pad_walks() -> Iterator[str]:
    """Yield walks over a number pad, three keys at a time."""
    rows, columns, other = NUMBER_PAD[:6], NUMBER_PAD[6:12], NUMBER_PAD[12:]
    yield from map("".join, permutations([*rows, *columns, *other], 2))
    for keys, count in product((rows, columns), range(3, 6)):
        yield from map("".join, permutations(keys, count))


def phrases() -> Iterator[str]:
    """Yield well-known phrases, written together or apart."""
    for phrase in PHRASES:
        yield from ("".join(phrase) + ending for ending in BRIEF)
        yield from (" ".join(phrase) + ending for ending in BRIEF)
        yield from (joint.join(phrase) for joint in JOINTS[2:])


def extended(words: Sequence[str]) -> Iterator[str]:
    """Yield words with counting or marks behind, counting in front, doubled, and backwards."""
    for word in words:
        yield from (word + ending for ending in (*NUMBERS, *DECORATIONS))
        yield from (count + word for count in COUNTS)
        yield from (word + word + ending for ending in (*COUNTS, "!", "1!", "123!"))
        yield from (word + joint + word for joint in JOINTS[1:])
        yield from (word[::-1] + ending for ending in BRIEF)


def sandwiches(words: Sequence[str]) -> Iterator[str]:
    """Yield a word around counting, counting around a word, and a word, a sign and counting."""
    for word in words:
        for count in (*COUNTS, "0987654321"):
            yield word + count + word
            yield count + word + count
            yield from (word + sign + count for sign in "@_-.#!* ")
    for first, last in permutations(words[:15], 2):
        yield from (first + count + last for count in COUNTS)


def dated(words: Sequence[str]) -> Iterator[str]:
    """Yield words and years."""
    for word in words:
        yield from (word + year for year in YEARS)
        for year in RECENT_YEARS:
            yield year + word
            yield from (word + year + mark for mark in ("!", "123"))
            yield from (word + sign + year for sign in "@-")


def respelled(words: Sequence[str]) -> Iterator[str]:
    """Yield words with the usual signs for letters, plain and decorated."""
    endings = (*BRIEF, *COUNTS[5:])
    for word in words:
        for spelling in {word.translate(table) for table in SPELLINGS} - {word}:
            yield from (spelling + ending for ending in endings)
            yield spelling + word


def framed(words: Sequence[str]) -> Iterator[str]:
    """Yield words in short phrases such as "iloveyou..." and "...forever"."""
    for word, (before, after) in product(words, FRAMES):
        yield from (before + word + after + ending for ending in ("", "1", "123", "!"))


def pairs(words: Sequence[str]) -> Iterator[str]:
    """Yield two different words, plain and with a little behind."""
    for first, last in permutations(words, 2):
        yield first + last
    for first, last in permutations(words[:15], 2):
        yield from (first + last + ending for ending in BRIEF[1:])
        yield f"{first} {last}"
