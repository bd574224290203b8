from tests.browser.test_marking import *
from tests.browser.conftest import *
from tests.browser.conftest import TOKEN, chromium
@pytest.mark.parametrize("width,scheme",[(1280,"dark"),(420,"light"),(420,"dark"),(1280,"light")])
def test_shot(chromium, server, task, width, scheme):
    ctx=chromium.new_context(viewport={"width":width,"height":900},color_scheme=scheme,has_touch=width<500)
    page=ctx.new_page(); page.goto(f"{server.origin}/?token={TOKEN}")
    open_task(page,server,task,object="pair_05")
    page.keyboard.press("a"); suggested(page); page.screenshot(path=f"/tmp/sug_{width}_{scheme}.png")
    page.keyboard.press("a"); all_saved(page)
    page.keyboard.press("m")
    for x,y in NUCLEI: click_pixel(page,x+.5,y)
    page.keyboard.press("2")
    for p in ((10,10),(14,8),(18,10)): click_pixel(page,*p)
    page.keyboard.press("3"); click_pixel(page,50,20)
    page.keyboard.press("4"); click_pixel(page,50,50)
    page.keyboard.press("ArrowUp"); settle(page)
    page.screenshot(path=f"/tmp/mark_{width}_{scheme}.png",full_page=True)
    ctx.close()
