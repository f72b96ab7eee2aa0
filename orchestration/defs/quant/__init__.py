"""Quant jobs: what somebody asks for, computed once; no tables of their own."""
