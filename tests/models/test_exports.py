"""The table of networks that cannot be exported names networks that there are, and says why."""

from bmis.models import list_models
from bmis.models.exports import read_refusals


def test_every_refusal_is_of_a_network_and_has_a_reason():
    refusals = read_refusals()
    assert set(refusals) <= set(list_models())
    assert all(why.strip() and "\n" not in why for why in refusals.values())
