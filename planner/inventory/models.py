"""The model of an inventory: its decoder and its precisions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from planner.inventory.engines import engine_of
from planner.inventory.shapes import SHAPE_KEYS, decoder_from_entry
from system import ServedModel
from system.checks import require
from system.documents.entries import Entry
from system.models.config_json import decoder_from_config, weights_from_config
from system.models.decoder import GB, Decoder, served_model
from system.models.precisions import CACHES, IN_GGUF, PRECISIONS, WEIGHTS, known_cache, known_weights
from system.models.presets import preset

SHAPES = ("preset", "config", "shape")
MODEL_KEYS = (*SHAPES, "weights", "file_gb", "cache")
EXPLICIT = {"weights", "file_gb"}  # that decide about the precision of weights
FEWEST_BITS, MOST_BITS = 1.0, 34.0  # of a weight in a file
# A file and a precision, the smaller size over the larger: close enough for a given one, and for that of the model.
CLOSE, SAME = 0.75, 0.85
FILE_TYPES = tuple(name for name, precision in PRECISIONS.items() if precision.scheme in ("", "gguf"))


@dataclass(frozen=True)
class ModelChoice:
    """A decoder, the precisions of its weights and its cache, and the size of its file if that is given."""

    decoder: Decoder
    weights: str
    cache: str
    file_gb: float | None = None
    notes: tuple[str, ...] = ()  # where the precision of the weights comes from, lines for people

    def served(self, cache_tokens: int) -> ServedModel:
        """Return the model with a cache of so many tokens."""
        return served_model(self.decoder, cache_tokens, self.weights, self.cache, self.file_gb)


class Source(NamedTuple):
    """A decoder, the precision of its weights unless another one is given, and who says so."""

    decoder: Decoder
    weights: str | None  # None: not known
    said_by: str  # words such as "published"


def model_of(top: Entry, folder: Path) -> ModelChoice:
    """Return the model of a file; paths in it are relative to the folder."""
    value = top.value("model", "a preset's name, such as llama3_70b, or a mapping with preset, config or shape")
    if not isinstance(value, dict):
        value = {"preset": top.text("model", "a preset's name, or a mapping")}
    entry = Entry.of("model", value, MODEL_KEYS)
    given = [key for key in SHAPES if key in entry]
    require(len(given) == 1, "model", given, f"give exactly one of {', '.join(SHAPES)}")
    source = _source(entry, folder)
    file_gb = _file_gb(entry, source.decoder) if "file_gb" in entry else None
    named = _weights(entry, source, file_gb)
    is_converted = file_gb is None and source.decoder.experts is not None and engine_of(top).reads_gguf
    weights = IN_GGUF.get(named, named) if is_converted else named
    cache = known_cache(entry.where("cache"), entry.text("cache", _one_of(CACHES))) if "cache" in entry else "16 bit"
    notes = list(_notes(entry, source, named, file_gb))
    if weights != named:
        notes.append(f"files of GGUF in {named}, {weights}, keep all but the experts in q8_0")
    return ModelChoice(source.decoder, weights, cache, file_gb, tuple(notes))


def _source(entry: Entry, folder: Path) -> Source:
    if "preset" in entry:
        decoder = preset(entry.text("preset", "a preset's name"))
        return Source(decoder, decoder.published_weights, "the model is published in")
    if "shape" in entry:
        return Source(decoder_from_entry(entry.part("shape", "the numbers of a block", SHAPE_KEYS)), "16 bit", "")
    path = folder / entry.text("config", "the path of a config.json")
    decoder = decoder_from_config(path, "describe the model by shape instead of config")
    return Source(
        decoder, weights_from_config(path, must_be_known=not EXPLICIT & entry.content.keys()), f"{path.name} says"
    )


def _weights(entry: Entry, source: Source, file_gb: float | None) -> str:
    """Return the precision of the weights."""
    if "weights" in entry:
        weights = known_weights(entry.where("weights"), entry.text("weights", _one_of(WEIGHTS)))
        if file_gb is not None:
            _require_close(entry, source.decoder, weights, file_gb)
        return weights
    if file_gb is not None:
        return _nearest(source, file_gb)
    return source.weights or "16 bit"


def _notes(entry: Entry, source: Source, weights: str, file_gb: float | None) -> Iterator[str]:
    """Yield lines about the source of the precision."""
    if file_gb is not None:
        bits = 8 * file_gb * GB / source.decoder.parameters
        alike = "as given" if "weights" in entry else "of the named precisions the nearest"
        yield f"file of {file_gb:g} GB: {bits:.3g} bits a weight on average ({weights}, {alike})"
    elif "weights" not in entry and weights != "16 bit":
        yield f"weights: {source.said_by} {weights}"
    elif "weights" in entry and source.weights not in (None, weights, "16 bit"):
        yield f"weights: {weights} as given; {source.said_by} {source.weights}"


def _file_gb(entry: Entry, decoder: Decoder) -> float:
    """Return the size of the file of all weights."""
    field, file_gb = entry.where("file_gb"), entry.positive("file_gb", "the size of the file with all weights in GB")
    remedy = "needs the size of the whole model; give vocabulary_size beside the numbers of a block"
    require(decoder.vocabulary_size is not None, field, file_gb, remedy)
    bits = 8 * file_gb * GB / decoder.parameters
    remedy = f"is {bits:.3g} bits for each of the {decoder.parameters / 1e9:.4g} B parameters; give its size in GB"
    require(FEWEST_BITS <= bits <= MOST_BITS, field, file_gb, remedy)
    return file_gb


def _require_close(entry: Entry, decoder: Decoder, weights: str, file_gb: float) -> None:
    """Raise `InputError` if a file cannot have a precision."""
    named_gb = decoder.weight_bytes(weights) / GB
    is_close = min(file_gb, named_gb) >= CLOSE * max(file_gb, named_gb)
    remedy = f"is no file of weights in {weights}, which take {named_gb:.3g} GB; correct one of the two"
    require(is_close, entry.where("file_gb"), file_gb, remedy)


def _nearest(source: Source, file_gb: float) -> str:
    """Return the precision whose weights take most nearly so much.

    It is that of the model where the sizes are close, else a type of llama.cpp or a plain one.
    """
    sizes_gb = {name: source.decoder.weight_bytes(name) / GB for name in FILE_TYPES}
    if source.weights is not None and source.weights not in FILE_TYPES:
        own_gb = source.decoder.weight_bytes(source.weights) / GB
        if min(file_gb, own_gb) >= SAME * max(file_gb, own_gb):
            kept = IN_GGUF.get(source.weights, source.weights)
            sizes_gb = {source.weights: own_gb, kept: sizes_gb.get(kept, own_gb)}
    return min(sizes_gb, key=lambda name: abs(sizes_gb[name] - file_gb))


def _one_of(names: tuple[str, ...]) -> str:
    return f"one of {', '.join(names)}"
