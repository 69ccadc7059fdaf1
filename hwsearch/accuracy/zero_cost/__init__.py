"""Zero-cost proxies: one module a proxy, each with its formula on any torch module and ``load()`` for the signal."""
