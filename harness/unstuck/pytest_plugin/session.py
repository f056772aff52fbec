"""The campaign of a pytest session, for all who ask for runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unstuck.cli.inputs import reference_packages

if TYPE_CHECKING:
    from unstuck.pytest_plugin.running import Campaign


def campaign_of(config: pytest.Config) -> Campaign:
    """The campaign of the session, made when it is first asked for. Raises `UsageError`."""
    with reference_packages():
        from unstuck.pytest_plugin.running import Campaign  # noqa: PLC0415  heavy, and an extra may be missing

    campaign = config.pluginmanager.get_plugin(Campaign.NAME)
    if campaign is None:
        campaign = Campaign.of(config)
        config.pluginmanager.register(campaign, Campaign.NAME)
    assert isinstance(campaign, Campaign)
    return campaign
