"""The real UI in a real browser over a real pool: graph, materialisations, the launch button, hostile text."""

import re

import pytest

from datasel_assets.tables.lineage import shown_group
from datasel_assets_tests.e2e.conftest import serve
from datasel_assets_tests.pools import add_source, rows

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

LAUNCH_MAIN = """
mutation {
  launchRun(executionParams: {
    selector: {
      repositoryName: "__repository__", repositoryLocationName: "datasel_assets.definitions", jobName: "main"
    },
    mode: "default", runConfigData: {}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""


def finished(product, run_id: str):
    query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
    status = product.query(query, id=run_id)["runOrError"].get("status")
    return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None


def test_the_main_job_launched_in_the_ui_fills_the_graph_and_the_pages(ui, page):
    launched = ui.query(LAUNCH_MAIN)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    status = ui.wait_for("the main job", lambda: finished(ui, launched["run"]["runId"]), seconds=240)
    assert status == "SUCCESS"
    base = f"http://127.0.0.1:{ui.port}"

    page.goto(f"{base}/asset-groups")
    for group in ("sources", "embeddings", "compressed", "selections"):
        page.get_by_text(shown_group(group), exact=True).first.wait_for(timeout=60_000)

    page.goto(f"{base}/assets/selections/toward_adding")
    page.get_by_text("rows_total").first.wait_for(timeout=60_000)
    assert "12 of 12 rows used" in page.inner_text("body")
    page.get_by_text("Show Markdown").first.click()
    picture = page.locator("img[src^='data:image/png']").first
    picture.wait_for(timeout=60_000)
    assert picture.evaluate("image => image.naturalWidth") > 100
    page.goto(f"{base}/assets/selections/toward_adding?view=events")
    page.get_by_text("facility_location").first.wait_for(timeout=60_000)  # observed by the comparison

    page.goto(f"{base}/assets/comparison?view=events")
    page.get_by_text("overlap random").first.wait_for(timeout=60_000)


def test_text_from_data_is_never_rendered_as_markup(product, page):
    attack = (
        "<img src=x onerror=\"document.title='owned'\"> ![p](http://127.0.0.1:9/x.png) "
        "<script>document.title='owned'</script>"
    )
    hostile = [{"instruction": f"{attack} {i}", "output": f"[click](javascript:alert(1)) {attack}"} for i in range(25)]
    add_source(product.data, "hostile", hostile + rows("sums", 5, start=900))
    product.run()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with serve(product) as ui:
        for path in (
            "corpus?view=partitions&partition=hostile",
            "cluster_models/white",
            "selections/random",
            "catalog",
        ):
            page.goto(f"http://127.0.0.1:{ui.port}/assets/{path}")
            page.get_by_text("rows_total").first.wait_for(timeout=60_000)
            if path.startswith("corpus"):
                page.get_by_text("onerror").first.wait_for(timeout=60_000)  # it is there, as text
            for button in page.get_by_text(re.compile(r"Show (Markdown|Table|JSON)")).all():
                button.click()
                page.wait_for_timeout(300)
                page.keyboard.press("Escape")
            assert page.title() != "owned"
            assert page.locator("img[src='x']").count() == 0
    report = product.data / "releases" / "random" / "latest" / "report.html"
    page.goto(report.as_uri())
    assert page.locator("img[src^='data:']").count() >= 2
    assert page.locator("img[src='x']").count() == 0
    assert page.title() != "owned"
    assert not any(":9/" in url for url in asked)
