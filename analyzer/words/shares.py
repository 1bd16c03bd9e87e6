"""Shares of a whole in words."""


def share_words(ratio: float) -> str:
    """ "57%"; "100%" of all alone and "0%" of none alone: near them "over 99%" and "under 1%"."""
    said = f"{ratio:.0%}"
    if said == "100%" and ratio < 1:
        return "over 99%"
    return "under 1%" if said == "0%" and ratio > 0 else said
