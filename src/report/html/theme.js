(() => {
  'use strict';
  const root = document.documentElement;
  // Light and dark. A page that was opened as a file may have no storage.
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem('wavetank-theme', value);
      return localStorage.getItem('wavetank-theme');
    } catch { return null; }
  };
  const before = remembered();
  if (before) root.dataset.theme = before;
  const button = document.getElementById('theme');
  button.hidden = false;
  button.addEventListener('click', () => {
    const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = isDark ? 'light' : 'dark';
    remembered(root.dataset.theme);
  });
})();
