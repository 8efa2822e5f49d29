"""The operator of Perdure and its local runner: one brain, several ways to carry out its decisions.

Rings, each importing inward only: `model` (what a manifest may say) <- `decide` and `build` (pure
functions: what was observed -> what to do; spec -> what a trainer is given) <- `local` (processes
on this machine). Of the library only `perdure.contract` is imported.
"""
