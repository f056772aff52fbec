"""docs/claims.md, docs/campaign.md and docs/proof.md are made of what was seen, and say something of all that
there is."""

from __future__ import annotations

from bench import proof
from bench.campaign import kept
from bench.campaign import page as campaign
from bench.claims import all_claims
from bench.claims import page as claims
from tests.tooling.repository import ROOT


def test_the_page_of_claims_is_made_by_the_command() -> None:
    """Nobody writes a figure by hand."""
    made = claims.page(claims.read(), all_claims())
    assert claims.PAGE.read_text(encoding="utf-8") == made, "python -m bench claims --write"


def test_the_page_of_the_campaign_is_made_by_the_command() -> None:
    """Of the figures that were kept, in both worlds."""
    made = campaign.page(kept.read("processes"), kept.read("sim"))
    assert campaign.PAGE.read_text(encoding="utf-8") == made, "python -m bench campaign --page"


def test_every_claim_was_tried() -> None:
    """One that comes new has to be measured; one that is gone leaves nothing behind."""
    assert set(claims.read()) == {claim.id for claim in all_claims()}, (
        "python -m bench claims --only ID --write"
    )


def test_every_incident_stands_in_the_index() -> None:
    """With a link to its page as soon as something is claimed of it."""
    index = (ROOT / "docs/incidents/README.md").read_text(encoding="utf-8")
    assert [one.name for one in (ROOT / "scenarios/incidents").iterdir() if one.name not in index] == []
    for incident in {claim.incident for claim in all_claims()}:
        assert (ROOT / f"scenarios/incidents/{incident}/{incident}.yaml").exists()
        assert f"]({incident}.md)" in index


def test_an_incident_page_leaves_the_figures_of_a_claim_to_the_claims() -> None:
    """Measured anew, they would be one off on the page: of the outage of five minutes it tells none."""
    page = (ROOT / "docs/incidents/make-video.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("|") and "300 s" in line] == []
    assert "](../claims.md)" in page


def test_the_page_of_the_proof_is_made_by_the_command() -> None:
    """Of the guards that the scenarios claim today, and the rows that were recorded."""
    made = proof.page(proof.read(), proof.guards())
    assert proof.PAGE.read_text(encoding="utf-8") == made, "python -m bench proof --write"


def test_every_guard_was_proved() -> None:
    """A scenario claims nothing that no run has shown: without the defence it fails, and passes with it."""
    proved = {row.key for row in proof.read() if row.caught and row.control == "pass"}
    unproved = [key for key in proof.guards() if key not in proved]
    assert unproved == [], "python -m bench proof --defence NAME --write"
