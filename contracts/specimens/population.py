"""The shared data of a specimen: people, tokens, wallets, phrases, positions and trades.

Pools are drawn with Faker once; rows sample from them.  Each table has a generator of random numbers of its own, so
that rows of one table do not depend on how many another has.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cached_property

from faker import Faker

from contracts.specimens.records import Person, Token
from contracts.specimens.trade_history import Book, write_book
from contracts.specimens.values import WRAPPED_SOL, Solana, hex8, hex8_numeric, looks_numeric, mint, words

_TICKERS = words(
    "BONK WIF POPCAT USOR TSLAX MEW BOME SLERF USOR PNUT GOAT FARTCOIN GIGA MOODENG CHILLGUY PENGU TRUMP AI16Z ZEREBRO "
    "GRIFFAIN JUP RAY SPYx PYTH JTO ORCA KMNO DRIFT TNSR W RENDER HNT MOBILE GRASS IO PUMP USELESS NVDAX AAPLX MSTRX"
)
_MAJORS = ("BTC", "ETH", "XRP", "DOGE", "AVAX", "LINK", "SUI", "HYPE")
_SLANG = words(
    "pump dump chart volume liquidity holders wallet whale bag entry exit stop target breakout support resistance "
    "candle momentum rug dev fees swap bridge stake airdrop alpha degen ape fade rotate narrative meta trench bonding "
    "curve market cap sentiment bullish bearish neutral risk position size profit loss signal call token mint launch "
    "today tonight now soon again still maybe looks strong weak clean thin early late down up the a this that with "
    "for on into over before after while watching buying selling holding waiting checking"
)


class World:
    """The shared data of all tables, the same for the same seed and counts."""

    def __init__(self, seed: int, counts: Mapping[str, int]) -> None:
        self.seed = seed
        self.counts = counts
        self.fake = Faker("en_US")
        self.fake.seed_instance(seed)
        self.fake.add_provider(Solana)
        self.salt = self.rng("salt").getrandbits(32)
        # Drawn here in a fixed order: Faker's pools come from one stream of random numbers.
        self.phrases: Sequence[str] = [self._phrase() for _ in range(2_000)]
        self.handles: Sequence[str] = [self.fake.user_name() for _ in range(400)]
        self.names: Sequence[str] = [self.fake.name() for _ in range(200)]
        self.companies: Sequence[str] = [self.fake.company() for _ in range(100)]
        self.addresses: Sequence[str] = [self.fake.ipv4_public() for _ in range(100)]
        self.treasury: str = self.fake.wallet()

    def rng(self, name: str) -> random.Random:
        """Return the generator of random numbers for *name*, usually a table."""
        return random.Random(f"{self.seed}:{name}")  # noqa: S311 - data that looks real, not secrets

    def count(self, table: str) -> int:
        """Return the number of rows of *table*."""
        return self.counts.get(table, 0)

    def _phrase(self) -> str:
        text: str = self.fake.sentence(nb_words=9, ext_word_list=_SLANG)
        return text

    @cached_property
    def tokens(self) -> Sequence[Token]:
        """Wrapped SOL, known tickers, then new ones as needed; USOR exists twice."""
        rng = self.rng("tokens")
        wanted = 100 + self.count("jarvis.positions")
        symbols = list(_TICKERS)
        taken = set(symbols)
        while len(symbols) < wanted:
            symbol = "".join(rng.choice(pair) for pair in rng.choices(_SYLLABLES, k=rng.randint(2, 4)))
            # One in fifty takes a name that another token has already.
            if symbol not in taken or rng.random() < 0.02:
                symbols.append(symbol)
                taken.add(symbol)
        often: dict[str, int] = {}
        for symbol in symbols:
            often[symbol.lower()] = often.get(symbol.lower(), 0) + 1
        sol = Token(symbol="SOL", mint=WRAPPED_SOL, decimals=9, sole=True)
        return [
            sol,
            *(
                Token(symbol=symbol, mint=mint(rng), decimals=rng.choice((6, 6, 9)), sole=often[symbol.lower()] == 1)
                for symbol in symbols
            ),
        ]

    @cached_property
    def book(self) -> Book:
        """Positions and trades."""
        return write_book(self)

    @property
    def majors(self) -> Sequence[str]:
        """Symbols without a mint, which are mentioned but not traded."""
        return _MAJORS

    @cached_property
    def people(self) -> Sequence[Person]:
        """People, as many as the moderation table has, at least forty, by date of joining."""
        rng = self.rng("people")
        wanted = max(40, self.count("jarvis_admin.users"), self.count("jarvis_admin.telegram_users"))
        ids = sorted({*rng.sample(range(90_000_000, 2**31), wanted // 3), *self._young(rng, wanted - wanted // 3)})
        return [
            Person(id=id_, handle=handle if index < len(self.handles) else f"{handle}{index}")
            for index, id_ in enumerate(ids)
            for handle in (self.handles[index % len(self.handles)],)
        ]

    @staticmethod
    def _young(rng: random.Random, count: int) -> list[int]:
        return rng.sample(range(2**31, 8_000_000_000), count)

    @cached_property
    def groups(self) -> Sequence[int]:
        """Chat ids of groups: negative, beyond 32 bits."""
        rng = self.rng("groups")
        return [-1_000_000_000_000 - rng.randrange(1_000_000_000, 3_000_000_000) for _ in range(5)]

    @cached_property
    def wallets(self) -> Sequence[str]:
        """Addresses of the large wallets."""
        rng = self.rng("wallets")
        wanted = max(3, self.count("whales.whale_wallets"))
        return [mint(rng) for _ in range(wanted)]

    @cached_property
    def entities(self) -> Sequence[tuple[str, str]]:
        """Name and type of the assistant's entities; no name twice."""
        rng = self.rng("entities")
        wanted = max(3, self.count("jarvis_memory.entities"), self.count("jarvis_memory.ai_entities"))
        types: dict[str, str] = {}
        while len(types) < wanted:
            kind = rng.choice(("person", "project", "company", "concept"))
            pool = {"person": self.names, "company": self.companies}.get(kind)
            name = rng.choice(pool) if pool else " ".join(rng.choices(_SLANG, k=2))
            types.setdefault(name if name not in types else f"{name} {len(types)}", kind)
        return list(types.items())

    def salt_of(self, table: str) -> int:
        """Return a salt that makes the ids of *table* differ from those of other tables."""
        return self.salt ^ sum(table.encode()) * 0x9E3779B1

    def id8(self, table: str, index: int) -> str:
        """Return the id of row *index* of *table*: eight hex digits, unique within the table.

        The ids of the third and the fourth row look like numbers to INTEGER affinity: about 4 % of such ids do,
        but a small table might have none.
        """
        salt = self.salt_of(table)
        if index in _NUMERIC:
            return hex8_numeric(_NUMERIC[index], 3 << 30, salt)
        return hex8(index, salt)


def _digits(text: str) -> bool:
    return text.isdigit() and not text.startswith("0")


def _exponent(text: str) -> bool:
    return looks_numeric(text) and not text.isdigit() and int(text.partition("e")[2]) <= 12


_NUMERIC = {2: _digits, 3: _exponent}
_SYLLABLES = tuple(
    (consonant + "A", consonant + "E", consonant + "I", consonant + "O", consonant + "U")
    for consonant in "BCDFGHJKLMNPRSTVWXZ"
)
