"""A page for people: projects, their jobs, and how far each is.

    GET  /web                  ?project= -> the page; without a session to /web/login
    GET  /web/login            a form for the token; POST: a session, 401 for another token
    POST /web/logout           ends the session
    GET  /web/project          ?name= -> {project, title, summary, projects, rows}: all that is shown of it
    GET  /web/rows             ?name=&ids=&newest= -> {project, rows, fresh}: what is on screen
    POST /web/reconcile        ?name= -> {project, moved}: how many of its jobs store and queue moved on

The service renders, the browser puts in place: every answer says which project it is for. A session is a
cookie that scripts cannot read. Nothing comes from elsewhere, and nothing runs but `static/page.js`.
"""

from reference_service.web.routes import add_web

__all__ = ["add_web"]
