"""Inside `fit`: the callbacks that Keras runs, the walk back to where the dead run was, the saves."""
