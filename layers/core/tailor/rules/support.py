"""Which mail clients do not support which features: made by ``local/client_support.py``, not by hand.

Data of caniemail.com as packed in npm's ``caniemail`` 1.0.4 (2025-09-09), under the MIT License:
Copyright (c) Avi Goldman, Copyright (c) Andrew Powell <andrew@shellscape.org>. Permission is hereby granted, free of
charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in
the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to
do so, subject to the following conditions: The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND,
EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE
AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE
OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

_TABLE = """\
css-accent-color|accent-color|gapwoy
css-align-items|align-items|gapwy
css-animation|animation|gapwoy
css-aspect-ratio|aspect-ratio|gapwoys
css-at-font-face|@font-face|gapoy
css-at-import|@import|gapoys
css-at-keyframes|@keyframes|gapwo
css-at-media|@media|w
css-at-media-device-pixel-ratio|@media (-webkit-device-pixel-ratio)|gapwy
css-at-media-hover|@media (hover), @media (any-hover)|gapwy
css-at-media-orientation|@media (orientation)|pwy
css-at-media-prefers-color-scheme|@media (prefers-color-scheme)|gapwy
css-at-media-prefers-reduced-motion|@media (prefers-reduced-motion)|gapwy
css-at-supports|@supports|gapwo
css-backdrop-filter|backdrop-filter|gapwoy
css-background-blend-mode|background-blend-mode|wy
css-background-clip|background-clip|wy
css-background-image|background-image|w
css-background-origin|background-origin|wy
css-background-position|background-position|w
css-background-repeat|background-repeat|w
css-background-size|background-size|w
css-block-inline-size|block-size & inline-size|gapwoy
css-border-image|border-image|gapwoy
css-border-inline-block|border-inline & border-block|gapwoys
css-border-inline-block-individual|border-inline & border-block individual logical properties|gapwoy
css-border-inline-block-longhand|border-inline & border-block longhand properties|gapwoy
css-border-radius|border-radius|w
css-border-radius-logical|border-radius logical properties|gapwoys
css-border-spacing|border-spacing|w
css-box-shadow|box-shadow|gwy
css-box-sizing|box-sizing|wy
css-caption-side|caption-side|w
css-clear|clear|w
css-clip-path|clip-path|gapwoy
css-color-scheme|color-scheme CSS property|gapwoy
css-column-count|column-count|wy
css-column-layout-properties|css column properties|wy
css-conic-gradient|conic-gradient()|gapwoy
css-cursor|cursor|igapo
css-display-flex|display:flex|w
css-display-grid|display:grid|gapwy
css-empty-cells|empty-cells|w
css-filter|filter|gapwoy
css-flex-direction|flex-direction:column|gapwy
css-flex-wrap|flex-wrap: wrap|gapwy
css-float|float|w
css-font-kerning|font-kerning|wy
css-font-stretch|font-stretch|awys
css-function-clamp|clamp()|woys
css-function-light-dark|light-dark()|gapwoy
css-function-max|max()|woys
css-function-min|min()|woys
css-gap|gap, column-gap, row-gap|wy
css-grid-template|grid-template-* properties|gapwoy
css-height|height property|y
css-hyphenate-character|hyphenate-character|gapwoy
css-hyphenate-limit-chars|hyphenate-limit-chars|imgapwoys
css-hyphens|hyphens|gapwoy
css-inline-size|inline-size |imgapwoy
css-inset|inset|gapwoys
css-intrinsic-size|fit-content, min-content, max-content|wys
css-justify-content|justify-content|gapwy
css-left-right-top-bottom|left, right, top, bottom|gapwy
css-linear-gradient|linear-gradient()|woy
css-list-style-image|list-style-image|gapwoy
css-list-style-position|list-style-position|w
css-margin-block-start-end|margin-block-start & margin-block-end|gapwoy
css-margin-inline-block|margin-inline & margin-block|gapwoys
css-margin-inline-start-end|margin-inline-start & margin-inline-end|gapwoy
css-mask-image|mask-image|gapwoy
css-max-block-size|max-block-size|gapwoy
css-max-height|max-height property|w
css-max-inline-size|max-inline-size|gapwoy
css-min-block-size|min-block-size|gapwoy
css-min-height|min-height property|w
css-min-inline-size|min-inline-size|gapwoy
css-min-width|min-width property|w
css-mix-blend-mode|mix-blend-mode|wy
css-modern-color|lch(), oklch(), lab(), oklab()|gapwoys
css-nesting|CSS Nesting|gapwoy
css-object-fit|object-fit|wy
css-object-position|object-position|wy
css-opacity|opacity|w
css-orphans|orphans|gapwy
css-outline|outline|w
css-outline-offset|outline-offset|gapwoy
css-overflow|overflow|w
css-overflow-wrap|overflow-wrap|gapwoy
css-padding-block-start-end|padding-block-start & padding-block-end|gapwoy
css-padding-inline-block|padding-inline & padding-block|gapwoys
css-padding-inline-start-end|padding-inline-start & padding-inline-end|gapwoy
css-position|position|gapw
css-pseudo-class-active|:active|igapws
css-pseudo-class-checked|:checked|gapw
css-pseudo-class-first-child|:first-child|gapw
css-pseudo-class-first-of-type|:first-of-type|gapw
css-pseudo-class-focus|:focus|igapw
css-pseudo-class-has|:has()|gapwoy
css-pseudo-class-hover|:hover|pw
css-pseudo-class-lang|lang()|gapwoy
css-pseudo-class-last-child|:last-child|gapw
css-pseudo-class-last-of-type|:last-of-type|gapw
css-pseudo-class-link|:link|gap
css-pseudo-class-not|:not|gapwoy
css-pseudo-class-nth-child|:nth-child|gapwoy
css-pseudo-class-nth-last-child|:nth-last-child|gapwoy
css-pseudo-class-nth-last-of-type|:nth-last-of-type|gapwoy
css-pseudo-class-nth-of-type|:nth-of-type|gapwoy
css-pseudo-class-only-child|:only-child|gapw
css-pseudo-class-only-of-type|:only-of-type|gapw
css-pseudo-class-target|:target|imgapw
css-pseudo-class-visited|:visited|imgapws
css-pseudo-element-after|::after|gapwy
css-pseudo-element-before|::before|gapwy
css-pseudo-element-first-letter|::first-letter|gapw
css-pseudo-element-first-line|::first-line|gapw
css-pseudo-element-marker|::marker|gapwo
css-pseudo-element-placeholder|::placeholder|gapw
css-radial-gradient|radial-gradient()|woy
css-resize|resize|igapwoy
css-rgba|rgba()|w
css-scroll-snap|scroll-snap|gapwoy
css-selector-adjacent-sibling|Adjacent sibling combinator|w
css-selector-attribute|Attribute selector|w
css-selector-chaining|Chaining selectors|wo
css-selector-child|Child combinator|w
css-selector-general-sibling|General sibling combinator|w
css-selector-universal|Universal selector *|w
css-shape-margin|shape-margin|gapwoy
css-shape-outside|shape-outside|gapwoy
css-sytem-ui|system-ui, ui-serif, ui-sans-serif, ui-rounded, ui-monospace|w
css-tab-size|tab-size|gapwy
css-table-layout|table-layout|w
css-text-align-last|text-align-last|woy
css-text-decoration-color|text-decoration-color|w
css-text-decoration-line|text-decoration-line|w
css-text-decoration-skip-ink|text-decoration-skip-ink|gapwoy
css-text-decoration-style|text-decoration-style|w
css-text-decoration-thickness|text-decoration-thickness|gapwoy
css-text-emphasis|text-emphasis|awys
css-text-emphasis-position|text-emphasis-position|gapwoys
css-text-justify|text-justify|imaps
css-text-orientation|text-orientation|wy
css-text-overflow|text-overflow|wys
css-text-shadow|text-shadow|gapwo
css-text-underline-offset|text-underline-offset|gapwoy
css-text-underline-position|text-underline-position|wy
css-text-wrap|text-wrap|gapwoy
css-transform|transform|gapwoy
css-transition|transition|gapwo
css-unit-calc|CSS calc() function|woy
css-unit-ch|ch unit|wy
css-unit-initial|initial unit|wy
css-unit-rem|rem unit|wy
css-unit-vh|vh unit|w
css-unit-vmax|vmax unit|wy
css-unit-vmin|vmin unit|wy
css-unit-vw|vw unit|w
css-user-select|user-select|gapwoy
css-variables|CSS Variables (Custom Properties)|gapwoy
css-visibility|visibility|gapw
css-white-space|white-space|ws
css-white-space-collapse|white-space-collapse|gapwoy
css-widows|widows|gapwy
css-word-break|word-break|y
css-word-spacing|word-spacing|w
css-word-wrap|word-wrap|w
css-writing-mode|writing-mode|wy
css-z-index|z-index|gapw
html-abbr|<abbr> element|wy
html-acronym|<acronym> element|wy
html-anchor-links|Local anchors|ps
html-aria-describedby|aria-describedby attribute|gapwy
html-aria-hidden|aria-hidden attribute|y
html-aria-label|aria-label attribute|y
html-aria-labelledby|aria-labelledby attribute|gapwoy
html-aria-live|aria-live attribute|oy
html-audio|<audio> element|gapwoy
html-bdi|<bdi> element|gapwoy
html-button-reset|<button type="reset"> element|wy
html-button-submit|<button type="submit"> element|wo
html-dialog|<dialog> element|gpwoy
html-doctype|HTML5 doctype|ws
html-form|<form> element|w
html-hidden|hidden attribute|gapwoy
html-input-checkbox|<input type="checkbox"> element|w
html-input-hidden|<input type="hidden"> element|w
html-input-radio|<input type="radio"> element|w
html-input-reset|<input type="reset"> element|w
html-input-submit|<input type="submit"> element|wo
html-input-text|<input type="text"> element|ws
html-link|<link> element|gapoys
html-loading-attribute|loading attribute|gapwoy
html-marquee|<marquee> element|gapw
html-meta-color-scheme|color-scheme meta tag|igapwoys
html-meter|<meter> element|gpwy
html-object|<object> element|gapwoy
html-picture|<picture> element|gapwoy
html-popover|popover attribute|gapwoy
html-progress|<progress> element|gpwoy
html-required|required attribute|gpwoy
html-rp|<rp> element|gpw
html-rt|<rt> element|gpw
html-ruby|<ruby> element|gpw
html-select|<select> element|w
html-semantics|HTML5 semantics|wy
html-srcset|srcset and sizes attributes|gapwoy
html-svg|Embedded <svg> image|gapwoy
html-target|target attribute|gapoy
html-textarea|<textarea> element|ws
html-video|<video> element|gapwoy
html-wbr|<wbr> element|pw
"""
UNSUPPORTED: dict[str, tuple[str, str]] = {
    slug: (title, clients) for slug, title, clients in (line.split("|") for line in _TABLE.splitlines())
}
"""Feature → (title, letters of the clients that did not support it when last tested); absent: all support it."""
