"""Text for a terminal, as all commands print it."""

from __future__ import annotations

from pipeglot.client.text import cell_name as cell_name
from pipeglot.client.text import duration as duration
from pipeglot.client.text import is_terminal as is_terminal
from pipeglot.client.text import listed as listed
from pipeglot.client.text import paint as paint
from pipeglot.client.text import plural as plural
from pipeglot.client.text import safe as safe
from pipeglot.client.text import safe_line as safe_line
from pipeglot.client.text import safe_log as safe_log
from pipeglot.client.text import size as size
from pipeglot.client.text import when as when
