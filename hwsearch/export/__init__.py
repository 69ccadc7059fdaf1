"""A preset handed over to the libraries people train and deploy with: plain data in, files out.

``export`` refuses what a format cannot say exactly, writes atomically, and reads back what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hwsearch.architecture import Architecture
from hwsearch.cost import cost
from hwsearch.errors import HwsearchError, InexpressibleError, InputError, nearest_name
from hwsearch.export.exporter import Exported, Exporter, Padding
from hwsearch.export.huggingface import HuggingFaceExporter
from hwsearch.export.keras_cv import KerasCvExporter
from hwsearch.export.keras_hub import KerasHubExporter
from hwsearch.export.onnx_file import OnnxExporter
from hwsearch.export.openvino_ir import OpenVinoExporter
from hwsearch.export.timm_module import TimmExporter
from hwsearch.export.torch_file import TorchExporter
from hwsearch.importing import detect
from hwsearch.part_file import part_folder
from hwsearch.preset import Preset

__all__ = ["EXPORTERS", "Exported", "Exporter", "Padding", "able", "export", "exporter_named"]

# None of these imports the library it writes for: those that need one import it when they write.
EXPORTERS: dict[str, Exporter] = {
    "keras-hub": KerasHubExporter(),
    "keras-cv": KerasCvExporter(),
    "timm": TimmExporter(),
    "huggingface": HuggingFaceExporter(),
    "onnx": OnnxExporter(),
    "openvino": OpenVinoExporter(),
    "torch": TorchExporter(),
}

MAX_SHOWN_LIMITS = 4


def exporter_named(to: str) -> Exporter:
    """The format of that name; InputError with the nearest name when there is none."""
    if to not in EXPORTERS:
        raise InputError(
            f"no export is called {to[:40]!r}", allowed=", ".join(EXPORTERS), nearest=nearest_name(to, EXPORTERS)
        )
    return EXPORTERS[to]


def able(preset: Preset, padding: Padding = "same") -> tuple[str, ...]:
    """The names of the formats that can say this network exactly."""
    return tuple(name for name, each in EXPORTERS.items() if not each.limits(preset, padding))


def export(preset: Preset, to: str, folder: Path, padding: Padding = "same") -> Exported:
    """Write the preset in a format, untrained; the files, read back and found equal.

    InexpressibleError when the format cannot say the network exactly, InputError when the folder
    cannot be written or holds another export's config.json, UnavailableError when a package is missing.
    """
    chosen = exporter_named(to)
    _refuse_limits(preset, chosen, padding)
    _refuse_other_format(chosen, folder)
    with _staging(folder) as staging:
        written = _write(preset, chosen, staging, padding)
        _verify(preset.architecture, chosen, written)
        files = _publish(written, folder)
    price = cost(preset.architecture)
    return Exported(to, folder, files, price.macs, price.params, chosen.usage(preset, folder))


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A hidden folder inside the folder: what is there is renamed into place whole, or vanishes."""
    new = not folder.exists()
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            staging = stack.enter_context(part_folder(folder, "export"))
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", where=str(folder)) from None
        try:
            yield staging
        except BaseException:
            stack.close()
            if new:
                with suppress(OSError):
                    folder.rmdir()
            raise


def _write(preset: Preset, chosen: Exporter, staging: Path, padding: Padding) -> tuple[Path, ...]:
    try:
        return chosen.write(preset, staging, padding)
    except InputError as error:
        # the folder that the person named, not the one inside it
        raise InputError(error.what, where=str(staging.parent)) from None


def _publish(written: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
    """Rename every file into the folder, in the order of writing: the one that makes the export usable last."""
    try:
        return tuple(path.replace(folder / path.name) for path in written)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", where=str(folder)) from None


def _refuse_limits(preset: Preset, chosen: Exporter, padding: Padding) -> None:
    limits = chosen.limits(preset, padding)
    if not limits:
        return
    shown = limits[:MAX_SHOWN_LIMITS]
    if len(limits) > len(shown):
        shown.append(f"and {len(limits) - len(shown)} more")
    raise InexpressibleError(
        f"{chosen.name} cannot say {preset.name} exactly: {' | '.join(shown)}",
        allowed=f"--to {', '.join(able(preset, padding))}",
    )


def _refuse_other_format(chosen: Exporter, folder: Path) -> None:
    """Several formats call their file config.json: one folder holds one of them."""
    config = folder / "config.json"
    if chosen.name not in ("keras-hub", "keras-cv", "huggingface") or not config.is_file():
        return
    try:
        found = detect(config)
    except InputError:
        found = "unknown"
    if found != chosen.name:
        raise InputError(
            f"holds a config.json of another kind ({found})", where=str(folder), allowed="a folder for each export"
        )


def _verify(architecture: Architecture, chosen: Exporter, files: tuple[Path, ...]) -> None:
    try:
        found = chosen.read_back(files)
        what = "" if found == architecture else f"they read back as {found.text}"
    except InputError as error:
        what = str(error)
    if what:
        raise HwsearchError(f"the files for {chosen.name} were wrong, and none of them stays: {what}")
