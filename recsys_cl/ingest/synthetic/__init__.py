"""Logs with a known answer.

A made-up shop, in five sentences:

1. Every item belongs to one *community* (its category), is released at some time and has a weight; weights follow a power
   law (Zipf with a shifted rank), so few items take most of the events.
2. Every user joins at some time, has a log-normal activity, and likes three communities, one much more than the others.
3. Users come in *sessions*; a session is about one community that the user likes, drawn anew each time.
4. In a session the next item *follows* from the current one with probability ``follow`` (every item has three
   successors in its community), and otherwise is drawn freely from the session's community among the items released by then,
   with extra chance for fresh ones; with probability ``stray`` the draw is from the shop as a whole.
5. A session may begin where the last one ended: at the same item (``again``, a repeat visit) or at one that follows it.

What a perfect recommender could know of tastes is ``Planted.factors``: the probability of each item in a free draw.
What it could know of order is ``Planted.successors``.
"""
