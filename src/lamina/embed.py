"""Turn text into vectors, offline and on the CPU."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from array import array
from collections import Counter
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, final

from lamina.errors import BackendError, LaminaError, StackError, StorageError
from lamina.values import Vector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CHARACTERS: Final = 16_384
"""How much of a text counts, about 4,000 tokens; what follows is ignored. Cut long texts first."""

_DIMENSION: Final = 256
_WORD: Final = re.compile(r"\w+")
_GRAM: Final = 4
_GRAM_WEIGHT: Final = 0.4  # a word of 6 letters has 5 of them


class Embedder(Protocol):
    """What turns texts into vectors: synchronous, so it is called in a thread.

    Equal texts give equal vectors, alone or among others. A text that says nothing, such as the
    empty one, gives the zero vector.
    """

    @property
    def name(self) -> str:
        """Name the model; vectors of different names cannot be compared."""
        ...

    @property
    def dimension(self) -> int:
        """How many numbers each vector has."""
        ...

    @property
    def semantic(self) -> bool:
        """Whether nearness means likeness of meaning, not only of words."""
        ...

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return one vector for each text, in order."""
        ...


@final
class WordLlamaEmbedder:
    """Mean of static word-piece vectors, from the package data of ``wordllama``.

    English only, blind to word order and negation: good for recall, no ground for a threshold.
    About 0.1 ms a sentence. The first `embed` loads the model, 0.2 s of which 0.1 s hold the GIL:
    call `load` before traffic.

    Raises:
        StackError: The extra ``[local-embeddings]`` is not installed, or lacks its data.
    """

    name = "wordllama-l2-supercat-256"
    dimension = _DIMENSION
    semantic = True

    def __init__(self) -> None:
        self._lock = Lock()
        self._model: tuple[Any, Any] | None = None

    def describe(self) -> str:
        """Say in a line what this is."""
        return f"{self.name}: static word vectors, English, {self.dimension} numbers"

    def load(self) -> None:
        """Read tokenizer and weights, once."""
        self._loaded()

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return one vector of length 1 for each text; no tokens give the zero vector."""
        import numpy as np

        tokenizer, weights = self._loaded()
        vectors: list[Vector] = []
        for text in texts:
            # one by one: a batch of one releases the GIL and starts no threads
            (tokens,) = tokenizer.encode_batch_fast([_clean(text)], add_special_tokens=False)
            if not tokens.ids:
                vectors.append(Vector(bytes(4 * _DIMENSION)))
                continue
            mean = weights[tokens.ids].astype(np.float32).mean(axis=0)
            length = np.linalg.norm(mean) or np.float32(1.0)
            vectors.append(Vector((mean / length).astype("<f4").tobytes()))
        return vectors

    def _loaded(self) -> tuple[Any, Any]:
        if self._model is None:
            with self._lock:
                if self._model is None:
                    self._model = _read_model()
        return self._model


@final
class LexicalEmbedder:
    """Hashed words and parts of words: texts are near when they share spellings.

    Needs nothing installed. Each word, and each run of 4 letters in it, is hashed to one of 256
    places and a sign, weighted ``1 + ln(count)``, and the sum is brought to length 1.
    """

    name = "lexical-256"
    dimension = _DIMENSION
    semantic = False

    def describe(self) -> str:
        """Say in a line what this is."""
        return f"{self.name}: shared spellings only, not meaning; install lamina[local-embeddings]"

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return one vector of length 1 for each text; no words give the zero vector."""
        return [_lexical(text) for text in texts]


def default_embedder() -> WordLlamaEmbedder | LexicalEmbedder:
    """Return the best embedder that is installed; its ``describe()`` says which and how good."""
    needed = ("wordllama", "tokenizers", "numpy")
    if all(find_spec(package) for package in needed):
        return WordLlamaEmbedder()
    return LexicalEmbedder()


def embedded(embedder: Embedder, texts: Sequence[str]) -> list[Vector]:
    """Return one vector for each text, or a failure that does not show the texts.

    Raises:
        BackendError: The embedder failed, or did not give a vector of its dimension for each.
    """
    name = embedder.name
    try:
        vectors: list[object] = list(embedder.embed(texts))
        dimension = embedder.dimension
    except StorageError:
        raise
    except Exception as error:
        ours = isinstance(error, LaminaError)
        msg = f"{name} failed: {error}" if ours else f"{name} failed ({type(error).__name__})"
        raise BackendError(msg, sent="no") from error
    wrong = f"{name} gave {len(vectors)} vectors for {len(texts)} texts"
    if len(vectors) == len(texts):
        of = {_described(vector) for vector in vectors} - {f"{dimension} numbers"}
        if not of:
            return cast("list[Vector]", vectors)
        wrong = f"{name} gave {min(of)} for a vector of {dimension} numbers"
    raise BackendError(wrong, sent="no")


def _described(vector: object) -> str:
    if isinstance(vector, Vector):
        return f"{vector.dimension} numbers"
    return f"a {type(vector).__name__}"


def _clean(text: str) -> str:
    """Cut *text* at `MAX_CHARACTERS` and replace lone surrogates."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()


def _read_model() -> tuple[Any, Any]:
    """Return tokenizer and weights; wordllama itself would look elsewhere, then download."""
    try:
        from tokenizers import Tokenizer

        package = find_spec("wordllama")
        if package is None or package.origin is None:
            msg = "wordllama is not installed"
            raise ImportError(msg)
        folder = Path(package.origin).parent
        weights = _read_weights(folder / "weights/l2_supercat_256.safetensors")
        names = folder / "tokenizers/l2_supercat_tokenizer_config.json"
        return Tokenizer.from_file(str(names)), weights
    except (ImportError, OSError) as error:
        msg = "WordLlamaEmbedder needs lamina[local-embeddings]"
        raise StackError(msg) from error


def _read_weights(path: Path) -> Any:
    """Return the only tensor of a safetensors file, float16: a length, a JSON header, the data."""
    import numpy as np

    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    ((_, tensor),) = header.items()
    first, last = tensor["data_offsets"]
    weights = np.frombuffer(data, dtype="<f2", count=(last - first) // 2, offset=start + first)
    return weights.reshape(tensor["shape"])


def _lexical(text: str) -> Vector:
    sums = [0.0] * _DIMENSION
    for feature, weight in _features(text):
        digest = int.from_bytes(blake2b(feature.encode(), digest_size=4).digest(), "little")
        sums[digest % _DIMENSION] += weight if digest & 0x80000000 else -weight
    length = math.sqrt(math.fsum(number * number for number in sums)) or 1.0
    return Vector(array("f", [number / length for number in sums]).tobytes())


def _features(text: str) -> Iterator[tuple[str, float]]:
    folded = unicodedata.normalize("NFKC", _clean(text)[:MAX_CHARACTERS]).casefold()
    words = Counter(_WORD.findall(folded))
    grams: Counter[str] = Counter()
    for word, count in words.items():
        yield word, 1.0 + math.log(count)
        marked = f"<{word}>"
        for start in range(len(marked) - _GRAM + 1):
            grams[marked[start : start + _GRAM]] += count
    for gram, count in grams.items():
        yield f"#{gram}", _GRAM_WEIGHT * (1.0 + math.log(count))
