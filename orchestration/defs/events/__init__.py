"""The one log of what happened: batches are told in it, and handlers act on what stands in it."""
