'use strict';
// What every page can do: copy a command, and show some rows only. Without script neither is offered.
(() => {
  document.documentElement.classList.add('live');

  for (const button of document.querySelectorAll('.copy')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      const code = button.parentElement.querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'copied';
      } catch { // a page from a file may not be allowed to: then the text is selected, ready for Ctrl-C
        getSelection().selectAllChildren(code);
        button.textContent = 'press Ctrl-C';
      }
      setTimeout(() => { button.textContent = 'copy'; }, 2000);
    });
  }

  for (const tools of document.querySelectorAll('.tools')) {
    tools.hidden = false;
    const rows = [...document.querySelectorAll(tools.dataset.filter)];
    const select = tools.querySelector('select');
    const search = tools.querySelector('input[type=search]');
    const count = tools.querySelector('.count');
    const filter = () => {
      const words = search.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const picked = !select.value || row.dataset.k.split(' ').includes(select.value);
        const name = (row.querySelector('.name') ?? row).textContent.toLowerCase();
        row.hidden = !(picked && name.includes(words));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = shown === rows.length ? '' : `${shown} of ${rows.length}`;
    };
    select.addEventListener('change', filter);
    search.addEventListener('input', filter);
    tools.addEventListener('showall', () => {
      select.value = search.value = '';
      filter();
    });
  }
})();
