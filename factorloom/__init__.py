"""The front: console script, supervisor of the local services, doctor. The only place that knows both halves.

What runs and when belongs in `orchestration/`, who may look in `api/`, what is kept in `warehouse/`.
"""
