"""Write a page that labels photographs in the visitor's browser: static files (docs/web.md)."""

import argparse
import base64
import hashlib
import json
import shutil
import tarfile
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import atomic_file, atomic_folder, file_digest, write_json
from pipeline.core.layout import FP32, INT8, cache_folder
from pipeline.core.terminal import UserError, run_command, say
from tools.serve import add_model_options

if TYPE_CHECKING:
    from pipeline.deploy.predictor import Predictor
    from pipeline.records.models import ModelFile

SOURCES = Path(__file__).parent / "web"
# ONNX Runtime for browsers, as npm has it; the registry says the same digest.
PACKAGE = "https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZ"
    "ClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
RUNTIME, SCRIPT = "ort-wasm-simd-threaded.wasm", "ort.wasm.bundle.min.mjs"  # of the package
LICENCES = {
    "LICENSE": "onnxruntime-LICENSE.txt",
    "ThirdPartyNotices.txt": "onnxruntime-NOTICES.txt",
}
MODEL, FACTS, WORKER = "model.onnx", "model.json", "service-worker.js"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.web", description=__doc__)
    add_model_options(parser)
    parser.add_argument("--out", type=Path, default=Path("web"), help="folder to write (web)")
    arguments = parser.parse_args()
    refuse_foreign(arguments.out)
    from pipeline.records.models import find_model

    found = find_model(arguments.model, arguments.precision)
    write_site(arguments.out, found, fetch_package())
    sizes = [f"{file.stat().st_size:>12,}  {file.name}" for file in sorted(arguments.out.iterdir())]
    look = f"look at it: python -m http.server --bind 127.0.0.1 --directory {arguments.out}"
    say("\n".join((f"{arguments.out}: {found.source}", *sizes, look)))


def refuse_foreign(out: Path) -> None:
    """Raise UserError if the folder, which is to be replaced, was not written by this command."""
    ours = all((out / name).is_file() for name in (FACTS, WORKER))
    if out.is_file() or (any(out.glob("*")) and not ours):
        raise UserError(f"--out: {out} is not a page of ours, and is kept: name a new folder")


def fetch_package() -> Path:
    """The npm package of the runtime, from the cache if it is there, else from the registry.

    Raises UserError if it cannot be fetched or has another digest.
    """
    file = cache_folder("web") / PACKAGE.rpartition("/")[2]
    if file.is_file() and integrity(file) == INTEGRITY:
        return file
    from pipeline.ingest.transfer import DownloadError, transfer

    with atomic_file(file) as temporary:
        try:
            transfer(PACKAGE, temporary, resume=False)
        except DownloadError as error:
            raise UserError(f"{error}; or put the file there by hand: {file}") from None
        if (found := integrity(temporary)) != INTEGRITY:
            raise UserError(f"{PACKAGE} has wrong bytes: expected {INTEGRITY}, found {found}")
    return file


def integrity(file: Path) -> str:
    """The digest of a file's bytes as npm writes it."""
    digest = bytes.fromhex(file_digest(file, "sha512"))
    return f"sha512-{base64.b64encode(digest).decode()}"


def write_site(out: Path, model: "ModelFile", package: Path) -> None:
    """Write all files of the page into the folder `out`, which they replace.

    model: copied byte by byte. package: of `fetch_package`. Raises UserError for a foreign model.
    """
    import onnxruntime

    from pipeline.deploy.predictor import Predictor

    predictor = Predictor(model.file, threads=0, version=model.version).tried()
    with atomic_folder(out) as site:
        shutil.copytree(SOURCES, site, dirs_exist_ok=True)
        shutil.copyfile(model.file, site / MODEL)
        with tarfile.open(package) as packed:
            for name in (RUNTIME, SCRIPT):
                content = packed.extractfile(f"package/dist/{name}")
                assert content is not None, "the digest says which files there are"
                (site / name).write_bytes(content.read())
        for source, target in LICENCES.items():  # the package has neither; the sources are the same
            shutil.copyfile(Path(onnxruntime.__file__).parent / source, site / target)
        downloads = {
            name: {"bytes": (site / name).stat().st_size, "sha256": file_digest(site / name)}
            for name in (MODEL, RUNTIME)
        }
        write_json(site / FACTS, describe(model, predictor) | {"downloads": downloads})
        prepare_worker(site, [*downloads, *LICENCES.values()])


def prepare_worker(site: Path, later: list[str]) -> None:
    """Write the list of files into the service worker; a changed file makes it a new version.

    later: names of files that it keeps when the page first asks for them.
    """
    names = sorted(file.name for file in site.iterdir())
    digests = [file_digest(site / name) for name in names]
    version = hashlib.sha256(" ".join(digests).encode()).hexdigest()[:12]
    shell = ["./", *(name for name in names if name not in (*later, WORKER))]
    known = {"VERSION": version, "SHELL": shell, "FILES": [*shell, *later]}
    lines = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in known.items())
    worker = site / WORKER
    worker.write_text(f"{lines}\n" + worker.read_text(encoding="utf-8"), encoding="utf-8")


def describe(model: "ModelFile", predictor: "Predictor") -> dict[str, Any]:
    """What the page knows of the model: its classes, and facts for people."""
    classes = predictor.classes
    entries = zip(classes.entries, classes.palette, strict=False)
    return {
        "subject": classes.subject,
        "classes": [
            {"name": entry.name, "colour": colour, "role": entry.role} for entry, colour in entries
        ],
        "longest_side": predictor.side,
        "facts": facts_of(model, predictor),
    }


def facts_of(model: "ModelFile", predictor: "Predictor") -> dict[str, str]:
    """Name, origin and, from the registered version, scores; by the words that people read."""
    from pipeline.records.models import precision_of
    from pipeline.records.versions import find_named, list_versions, model_name, saw_only_drawings
    from tools.serving.page import score_words

    identity, precision = predictor.identity, precision_of(model.file)
    facts = {
        "model": model.file.name if model.version is None else model_name(),
        "version": str(model.version or ""),
        "digest": identity["digest"],
        "precision": {FP32: "float32", INT8: "INT8"}[precision],
        "data set": identity["dataset"],
    }
    if model.version is not None:
        version = find_named(list_versions(), str(model.version))
        facts["registered"] = f"{version.created:%Y-%m-%d}"
        seen = "drawings" if saw_only_drawings(version.tags) else "photographs"
        images = version.score("test.images")
        facts["tested on"] = "" if isnan(images) else f"{images:,.0f} {seen}"
        scores = {f"test.{name}": words for name, words in score_words(predictor.classes).items()}
        if precision == INT8:  # export computes only this score of it
            other = {tag: f"{words} (float32)" for tag, words in scores.items()}
            scores = {"export.int8.miou": "mean IoU"} | other
        known = {words: version.score(tag) for tag, words in scores.items()}
        facts |= {words: f"{score:.3f}" for words, score in known.items() if not isnan(score)}
    return {words: fact for words, fact in facts.items() if fact}


if __name__ == "__main__":
    run_command(main)
