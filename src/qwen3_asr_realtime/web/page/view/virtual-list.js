/**
 * A list of any length of which only what can be seen, and a little around it, is in the document.
 *
 * Heights are estimated until they have been seen. What stands above the view may turn out higher or lower than
 * thought; then the scroll position is moved along, so that what is being read stays where it is.
 */

const OVERSCAN_PX = 400;
const BOTTOM_PX = 24; // this near the end counts as being there
const TOUCH_MS = 1000; // a view glides on for so long after a reader has moved it
const TOUCHES = ["wheel", "touchmove", "pointerdown", "keydown"];

export class VirtualList {
  #scroller;
  #content = document.createElement("div");
  #render;
  #estimatePx;
  #entries = [];
  #heights = new Map(); // entry → height
  #shown = new Map(); // entry → its node
  #observer;
  #isAtEnd = true;
  #touchedAt = -Infinity; // when the reader last moved the view, or may have
  #isScheduled = false;
  #onEnd;

  /**
   * @param {HTMLElement} scroller
   * @param {object} options
   * @param {number} options.estimatePx height of an entry that has not been seen
   * @param {(entry: any, index: number) => HTMLElement} options.render makes the node of an entry
   * @param {(isAtEnd: boolean) => void} [options.onEnd] told when the reader leaves the end, or returns to it
   */
  constructor(scroller, { estimatePx, render, onEnd = () => {} }) {
    this.#scroller = scroller;
    this.#estimatePx = estimatePx;
    this.#render = render;
    this.#onEnd = onEnd;
    this.#content.className = "virtual";
    scroller.append(this.#content);
    for (const touch of TOUCHES) {
      scroller.addEventListener(touch, () => (this.#touchedAt = performance.now()), { passive: true });
    }
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#observer = new ResizeObserver((changes) => this.#onResize(changes));
    new ResizeObserver(() => this.#schedule()).observe(scroller);
  }

  /** Show these entries, each an object of its own. */
  show(entries) {
    this.#entries = entries;
    const known = new Set(entries);
    for (const entry of this.#heights.keys()) if (!known.has(entry)) this.#heights.delete(entry);
    this.#schedule();
  }

  /** An entry has changed; make its node anew if it is in the document. */
  refresh(entry) {
    const old = this.#shown.get(entry);
    if (old) {
      const hadFocus = old.contains(document.activeElement);
      this.#observer.unobserve(old);
      const node = this.#node(entry);
      node.style.transform = old.style.transform;
      old.replaceWith(node);
      if (hadFocus) node.querySelector("button, a, [tabindex]")?.focus();
    }
    this.#schedule();
  }

  /** Make every node anew. */
  refreshAll() {
    for (const entry of [...this.#shown.keys()]) this.refresh(entry);
  }

  /** Scroll to the end and stay there. */
  follow() {
    this.#setAtEnd(true);
    this.#schedule();
  }

  /** Scroll to an entry. */
  reveal(entry) {
    const index = this.#entries.indexOf(entry);
    if (index < 0) return;
    this.#setAtEnd(false);
    this.#scroller.scrollTop = this.#offset(index);
    this.#schedule();
  }

  #height(entry) {
    return this.#heights.get(entry) ?? this.#estimatePx;
  }

  #offset(index) {
    let offset = 0;
    for (let i = 0; i < index; i++) offset += this.#height(this.#entries[i]);
    return offset;
  }

  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#layOut();
    });
  }

  #layOut() {
    const total = this.#offset(this.#entries.length);
    this.#content.style.height = `${total}px`;
    if (this.#isAtEnd) this.#scroller.scrollTop = total;
    const from = this.#scroller.scrollTop - OVERSCAN_PX;
    const until = this.#scroller.scrollTop + this.#scroller.clientHeight + OVERSCAN_PX;

    const wanted = new Set();
    let offset = 0;
    let before = null;
    for (const entry of this.#entries) {
      const height = this.#height(entry);
      if (offset + height >= from && offset <= until) {
        wanted.add(entry);
        const node = this.#shown.get(entry) ?? this.#node(entry);
        node.style.transform = `translateY(${offset}px)`;
        // In the order of the entries, which is that of reading and of the Tab key.
        const after = before ? before.nextSibling : this.#content.firstChild;
        if (node !== after) this.#content.insertBefore(node, after);
        before = node;
      }
      offset += height;
      if (offset > until) break;
    }
    for (const [entry, node] of this.#shown) if (!wanted.has(entry)) this.#remove(entry, node);
  }

  #node(entry) {
    const node = this.#render(entry, this.#entries.indexOf(entry));
    this.#shown.set(entry, node);
    this.#observer.observe(node);
    return node;
  }

  #remove(entry, node) {
    if (node.contains(document.activeElement)) this.#scroller.focus({ preventScroll: true });
    this.#observer.unobserve(node);
    node.remove();
    this.#shown.delete(entry);
  }

  #onResize(changes) {
    const entries = new Map([...this.#shown].map(([entry, node]) => [node, entry]));
    for (const { target, borderBoxSize } of changes) {
      const entry = entries.get(target);
      const height = borderBoxSize[0].blockSize;
      if (!entry || height === 0 || height === this.#height(entry)) continue;
      const isAbove = this.#offset(this.#entries.indexOf(entry)) < this.#scroller.scrollTop;
      if (isAbove && !this.#isAtEnd) this.#scroller.scrollTop += height - this.#height(entry);
      this.#heights.set(entry, height);
    }
    this.#schedule();
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < BOTTOM_PX) this.#setAtEnd(true);
    // Entries that come, and heights that turn out otherwise, move the position as well: only a reader leaves the end.
    else if (performance.now() - this.#touchedAt < TOUCH_MS) this.#setAtEnd(false);
    this.#schedule();
  }

  #setAtEnd(isAtEnd) {
    if (isAtEnd === this.#isAtEnd) return;
    this.#isAtEnd = isAtEnd;
    this.#onEnd(isAtEnd);
  }
}
