/* The builder's tree: groups {id, mode: and|or|none, nodes} and conditions {id, attribute, operator, value, filters}. */

let last = 0;
export const next = () => String((last += 1));
export const condition = () => ({ id: next(), attribute: "", operator: "", value: undefined, filters: {} });

/* The tree of a rule's JSON; the outermost node is always a group. */
export function read(text) {
  let rule = null;
  try {
    rule = JSON.parse(text).rule;
  } catch {
    // nothing yet
  }
  const node = rule ? readNode(rule) : null;
  if (!node) return { id: next(), mode: "and", nodes: [] };
  return node.nodes ? node : { id: next(), mode: "and", nodes: [node] };
}

/* `alone` marks a group that was stored with one condition: as long as it has one, it stays what it was. */
function readNode(raw) {
  if (raw.and || raw.or) {
    const nodes = (raw.and || raw.or).map(readNode);
    return { id: next(), mode: raw.and ? "and" : "or", nodes, alone: nodes.length === 1 };
  }
  if (raw.not) {
    const inner = readNode(raw.not);
    if (inner.mode === "or") return { ...inner, mode: "none" };
    return { id: next(), mode: "none", nodes: [inner] };
  }
  return { id: next(), attribute: raw.attribute ?? "", operator: raw.operator ?? "", value: raw.value, filters: { ...raw.filters } };
}

/* The JSON of a node; notes which path the server will know it by. */
export function write(node, path, paths) {
  paths.set(path.join("."), node.id);
  if (!node.nodes) {
    const written = { attribute: node.attribute, operator: node.operator };
    if (Object.keys(node.filters).length) written.filters = node.filters;
    if (node.value !== undefined) written.value = node.value;
    return written;
  }
  if (node.nodes.length === 1 && !node.alone) {
    return node.mode === "none" ? { not: write(node.nodes[0], [...path, 0], paths) } : write(node.nodes[0], path, paths);
  }
  const inside = node.mode === "none" ? [...path, 0] : path;
  if (node.mode === "none") paths.set(inside.join("."), node.id);
  const nodes = node.nodes.map((child, place) => write(child, [...inside, place], paths));
  return node.mode === "and" ? { and: nodes } : node.mode === "or" ? { or: nodes } : { not: { or: nodes } };
}

/* The group that holds a node, and the groups around that, from the inside out. */
export function parents(root, node) {
  if (!root.nodes) return [];
  if (root.nodes.includes(node)) return [root];
  for (const child of root.nodes) {
    const found = parents(child, node);
    if (found.length) return [...found, root];
  }
  return [];
}

export function find(root, id) {
  if (root.id === id) return root;
  for (const child of root.nodes ?? []) {
    const found = find(child, id);
    if (found) return found;
  }
  return null;
}

/* Take a node out of its group and put it into another; a group left empty goes. */
export function move(root, node, group, place) {
  const [from, ...around] = parents(root, node);
  const at = from.nodes.indexOf(node);
  from.nodes.splice(at, 1);
  group.nodes.splice(from === group && at < place ? place - 1 : place, 0, node);
  if (!from.nodes.length && around.length) around[0].nodes.splice(around[0].nodes.indexOf(from), 1);
}

/* Where a node can go from where it stands: up and down through the rows as they are seen, into a group, out of one. */
export function moves(root, node) {
  const [group, around] = parents(root, node);
  const place = group.nodes.indexOf(node);
  const [before, after] = [group.nodes[place - 1], group.nodes[place + 1]];
  const to = (target, where) => () => move(root, node, target, where);
  const out = around && to(around, around.nodes.indexOf(group) + 1);
  const wrap = () => {
    group.nodes[place] = { id: next(), mode: group.mode === "and" ? "or" : "and", nodes: [node] };
  };
  return {
    up: before ? (before.nodes ? to(before, before.nodes.length) : to(group, place - 1)) : around && to(around, around.nodes.indexOf(group)),
    down: after ? (after.nodes ? to(after, 0) : to(group, place + 2)) : out,
    into: before?.nodes ? to(before, before.nodes.length) : after?.nodes ? to(after, 0) : group.nodes.length > 1 ? wrap : null,
    out,
  };
}
