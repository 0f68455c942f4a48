"""Log lines of the operator: text for people or one JSON object each for machines."""

import json
import logging
from typing import Any

from lowtide_operator.settings import OperatorSettings


def configure_logging(settings: OperatorSettings) -> None:
    """Send log lines to standard error; kopf's own, one for every event, only as warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonFormatter()
        if settings.server.log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.basicConfig(level=settings.server.log_level.upper(), handlers=[handler], force=True)
    for name in ("kopf", "aiohttp", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A lost race for the Lease is not an error; the library writes a traceback for it.
    logging.getLogger("kubernetes.aio.leaderelection").setLevel(logging.CRITICAL)


class _JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
