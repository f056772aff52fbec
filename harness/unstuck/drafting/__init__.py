"""Drafts a target file for a project: from a ready-made target, and from what the project shows of itself."""

from unstuck.drafting.project import Project, look_at_project
from unstuck.drafting.recipes import Recipe, fitting, recipes
from unstuck.drafting.writing import Draft, draft, write

__all__ = ["Draft", "Project", "Recipe", "draft", "fitting", "look_at_project", "recipes", "write"]
