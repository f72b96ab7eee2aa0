"""What schemathesis does not know of itself; it loads this file in a process of its own.

Of the lines of NDJSON it knows nothing: it sends text, most of which is refused. test_uploads.py sends lines.
"""

import schemathesis

# What comes in here is bytes to the client: schemathesis knows no serializer of their media types.
schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream")(
    lambda _, value: value if isinstance(value, bytes) else str(value).encode()
)
