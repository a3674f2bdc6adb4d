// Files pasted anywhere on the page go to the uploader, as if they had been chosen there.
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
