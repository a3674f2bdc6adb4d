"""The photograph that people give the page: uploaded, pasted, or one of the samples."""

from dataclasses import dataclass

import streamlit as st

from tools.page.samples import THUMBNAIL, Sample, find_samples

# What is pasted anywhere on the page goes to the uploader, as if it had been chosen there.
PASTE = """
export default function () {
  const forward = (event) => {
    const input = document.querySelector("[data-testid=stFileUploaderDropzoneInput]");
    if (event.defaultPrevented || !input || !event.clipboardData?.files.length) return;
    event.preventDefault();
    input.files = event.clipboardData.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("paste", forward);
  return () => document.removeEventListener("paste", forward);
}
"""
paste_anywhere = st.components.v2.component("paste_anywhere", js=PASTE)


@dataclass(frozen=True)
class Upload:
    """The file of a photograph as it was given."""

    content: bytes
    key: str  # tells it from every other


def choose_photograph() -> Upload | None:
    """Let people give a photograph; the newest counts, whichever way it came."""
    state = st.session_state
    uploaded = st.file_uploader(
        "Your photograph: upload it, drop it here, or paste it anywhere on the page",
        type="image",
        key=f"upload {state.setdefault('uploader', 0)}",
    )
    paste_anywhere(key="paste")
    if uploaded is not None:
        state.pop("sample", None)
    sample = state.get("sample")
    nothing_yet = uploaded is None and sample is None
    with st.expander("Or try one of these", expanded=nothing_yet, icon=":material/pets:"):
        _show_samples(find_samples())
    if uploaded is not None:
        return Upload(uploaded.getvalue(), uploaded.file_id)
    return Upload(sample.content, sample.name) if sample else None


def _show_samples(samples: list[Sample]) -> None:
    # As many in a row as there is room for.
    with st.container(key="samples", horizontal=True, horizontal_alignment="center"):
        for sample in samples:
            with st.container(width=THUMBNAIL[0], gap="xsmall"):
                st.image(sample.thumbnail, width=THUMBNAIL[0])
                st.button(
                    sample.title, key=sample.name, width="stretch", on_click=_take, args=(sample,)
                )


def _take(sample: Sample) -> None:
    st.session_state["sample"] = sample
    st.session_state["uploader"] += 1  # a new, empty one
