"""Reports as one HTML page that needs nothing else. Pure.

A report builds a `labkit.report.page.model.Page`, which says what stands where, and holds no markup
but pictures; `labkit.report.page.render.page_html` makes the text of it. So every report looks the
same, and what came from a manifest is escaped in one place, `labkit.report.page.markup`.
"""
