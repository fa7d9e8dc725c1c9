"""`respondio demo`: the main job of the client in half a minute, on real sockets, with a check at
its end.
"""
