/** Elements, in one expression. Text is text: nothing that comes from a server is ever parsed as HTML. */

/**
 * @param {string} name of the element
 * @param {object} properties set on it; `data` for its data set, `attributes` for attributes
 * @param {...(Node | string)} children
 */
export function element(name, { data, attributes, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  Object.assign(made.dataset, data);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);
