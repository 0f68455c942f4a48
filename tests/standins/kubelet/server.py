"""A kubelet's PodResources socket with a table that can be swapped, failed and delayed.

For faults that the real kubelet cannot be made to show. It encodes with protobuf, from messages
that are compiled in memory: no generated code is kept.
"""

import threading
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

_PROTO = Path(__file__).with_name("podresources.proto")
_LIMIT = [("grpc.max_send_message_length", 64 << 20)]


def load_messages(scratch: Path) -> dict[str, Any]:
    """Return the message classes of the .proto by name."""
    target = scratch / "podresources.pb"
    arguments = ["protoc", f"-I{_PROTO.parent}", f"--descriptor_set_out={target}", str(_PROTO)]
    if protoc.main(arguments):
        raise RuntimeError(f"protoc refused {_PROTO}")
    files = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"v1.{name}"))
        for file in files.file
        for name in (message.name for message in file.message_type)
    }


class KubeletStandIn:
    """Serves `pods` and `allocatable`; `raw` replaces the answer, `failure` refuses it."""

    def __init__(self, socket: Path, messages: dict[str, Any]) -> None:
        self.socket, self.messages = socket, messages
        self.pods: list[Any] = []
        self.allocatable: list[Any] = []
        self.raw: bytes | None = None
        self.failure: tuple[grpc.StatusCode, str] | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.calls = 0
        self._server: grpc.Server | None = None

    def start(self) -> None:
        """Serve on the socket."""
        self._server = grpc.server(futures.ThreadPoolExecutor(2), options=_LIMIT)
        handlers = {
            "List": grpc.unary_unary_rpc_method_handler(self._list),
            "GetAllocatableResources": grpc.unary_unary_rpc_method_handler(self._allocatable),
        }
        generic = grpc.method_handlers_generic_handler("v1.PodResourcesLister", handlers)
        self._server.add_generic_rpc_handlers((generic,))
        self._server.add_insecure_port(f"unix:{self.socket}")
        self._server.start()

    def stop(self) -> None:
        """Stop serving and remove the socket, as a kubelet restart does."""
        self.hold.set()
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None
        self.socket.unlink(missing_ok=True)

    def give(self, namespace: str, pod: str, *device_ids: str, **options: Any) -> None:
        """Add a pod whose only container holds `device_ids`."""
        self.pods.append(self.pod(namespace, pod, *device_ids, **options))

    def pod(
        self,
        namespace: str,
        pod: str,
        *device_ids: str,
        container: str = "trainer",
        resource: str = "nvidia.com/gpu",
    ) -> Any:
        """Return a pod message."""
        devices = self.messages["ContainerDevices"](resource_name=resource, device_ids=device_ids)
        box = self.messages["ContainerResources"](name=container, devices=[devices])
        return self.messages["PodResources"](namespace=namespace, name=pod, containers=[box])

    def _list(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        self.hold.wait(30)
        if self.failure:
            context.abort(*self.failure)
        if self.raw is not None:
            return self.raw
        answer = self.messages["ListPodResourcesResponse"](pod_resources=self.pods)
        return bytes(answer.SerializeToString())

    def _allocatable(self, request: bytes, context: Any) -> bytes:
        answer = self.messages["AllocatableResourcesResponse"](devices=self.allocatable)
        return bytes(answer.SerializeToString())
