"""Keeping house: what of a store nobody needs any more, and how it is removed while others write.

`survey` looks at all runs, `retention` chooses which of them go, `marking` finds what is still referred to, `code` does
the same for archives of code, and `passes` does it all in the one order in which nothing is lost, whoever is killed.

References die first, and bytes two passes later. A pruned run gets a tombstone, and is read by nobody from then on. A
blob is removed if each pass of the last 48 hours found no reference to it, and only of weeks that no writer saves into
any more. All times are those of the store's own clock.
"""
