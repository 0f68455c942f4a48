"""Pages of model servers in the form that vLLM and Triton document, with counts of the test's own.

Sources: docs.vllm.ai/en/v0.9.1/usage/metrics.html; Triton's user guide, page on metrics (r24.04).
Only counters that Lowtide's pages name are here, each with the labels that the server gives it.
"""

from collections.abc import Mapping

VLLM = {"engine": "0", "model_name": "meta-llama/Llama-3.1-8B-Instruct"}
TRITON = {"model": "densenet_onnx", "version": "1"}

COUNTERS: Mapping[str, Mapping[str, str]] = {
    "vllm:prompt_tokens_total": VLLM,
    "vllm:generation_tokens_total": VLLM,
    "vllm:request_success_total": VLLM | {"finished_reason": "stop"},
    "nv_inference_request_success": TRITON,
    "nv_inference_count": TRITON,
}
"""Labels of each counter on its server's page."""


def page_of(server: str, value: float) -> bytes:
    """Return the page of a server, `vllm` or `nv`, with one value for all its counters."""
    lines = []
    for name, labels in COUNTERS.items():
        if name.startswith(server):
            pairs = ",".join(f'{label}="{text}"' for label, text in labels.items())
            lines += [
                f"# HELP {name} A count.",
                f"# TYPE {name} counter",
                f"{name}{{{pairs}}} {value}",
            ]
    return ("\n".join(lines) + "\n").encode()
