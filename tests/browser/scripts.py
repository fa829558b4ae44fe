"""JavaScript that the browser tests and the panels' benchmark run in the page: functions of what is named first."""

# code -> [what it printed, seconds until the kernel answered]; CURRENT stands for the notebook in front
ASK_KERNEL = """async code => {
    const start = performance.now();
    let text = '';
    const future = CURRENT.sessionContext.session.kernel.requestExecute({code, store_history: false});
    future.onIOPub = message => {
        const {name, text: printed, traceback = []} = message.content;
        if (name !== 'stderr') text += printed ?? traceback.join('\\n');
    };
    await future.done;
    return [text.trim(), (performance.now() - start) / 1000];
}"""

# image -> a number that stands for all its pixels; tries again if the picture changes meanwhile
PIXELS = """async image => {
    const canvas = new OffscreenCanvas(1, 1), pen = canvas.getContext('2d', {willReadFrequently: true});
    for (let tries = 0; tries < 100; tries++) {
        try {
            await image.decode();
            canvas.width = image.naturalWidth;
            canvas.height = image.naturalHeight;
            pen.drawImage(image, 0, 0);
            let sum = 7;
            for (const value of pen.getImageData(0, 0, canvas.width, canvas.height).data) sum = (sum * 31 + value) | 0;
            return sum;
        } catch (changed) {
            await new Promise(done => setTimeout(done, 30));
        }
    }
    throw new Error('no picture');
}"""

# handle of a slider, [image, count] -> seconds from each press of an arrow key to the next picture; null: none came in
# five seconds
LATENCIES = """async (handle, [image, count]) => {
    const times = [];
    const value = name => Number(handle.getAttribute('aria-value' + name));
    const upper = 2 * value('now') > value('min') + value('max');
    const [key, end] = upper ? ['ArrowLeft', 'min'] : ['ArrowRight', 'max'];
    const nextPicture = () => new Promise(done => image.addEventListener(
        'load', () => image.decode().then(() => done(true), () => done(true)), {once: true}));
    handle.focus();
    for (let number = 0; number < count && value('now') != value(end); number++) {
        const start = performance.now(), drawn = nextPicture();
        handle.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
        const came = await Promise.race([drawn, new Promise(done => setTimeout(() => done(false), 5000))]);
        times.push(came ? (performance.now() - start) / 1000 : null);
        await new Promise(done => setTimeout(done, 120));
    }
    return times;
}"""

# box, selector -> [name, tabIndex] of every control in it that can be seen and used; each gets its number
CONTROLS = """(box, selector) => {
    const usable = part => part.checkVisibility({visibilityProperty: true}) && !part.disabled;
    const name = part => part.getAttribute('aria-label') || part.labels?.[0]?.textContent || part.textContent
        || part.title || '';
    return [...box.querySelectorAll(selector)].filter(usable).map((part, number) => {
        part.dataset.number = number;
        return [part.getAttribute('role') === 'slider' ? 'slider' : name(part).trim(), part.tabIndex];
    });
}"""

# box -> every visible part that reaches over its right edge, in words
TOO_WIDE = """box => {
    const edge = box.getBoundingClientRect().right + 1;
    const over = part => {
        const {width, right} = part.getBoundingClientRect();
        return part.checkVisibility({visibilityProperty: true}) && width > 0 && right > edge;
    };
    const words = part => part.tagName + '.' + part.className + ' ' + part.textContent.slice(0, 40);
    return [...box.querySelectorAll('*')].filter(over).map(words);
}"""

# box, least -> [contrast, text] of every visible text below that contrast, by WCAG's measure; names over pictures have
# their own dark ground
FAINT = """(box, least) => {
    const numbers = text => (text.match(/[0-9.]+/g) ?? []).map(Number);
    const over = ([r, g, b, a = 1], low) => [r, g, b].map((value, place) => a * value + (1 - a) * low[place]);
    const ground = part => part
        ? over(numbers(getComputedStyle(part).backgroundColor), ground(part.parentElement)) : [255, 255, 255];
    const linear = value => value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
    const light = colour => {
        const [r, g, b] = colour.map(linear);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = part => {
        const low = ground(part), text = over(numbers(getComputedStyle(part).color), low);
        const [dim, bright] = [light(low), light(text)].sort((a, b) => a - b);
        return (bright + 0.05) / (dim + 0.05);
    };
    const counts = part => part.checkVisibility({visibilityProperty: true}) && !part.disabled
        && !part.closest('.fs-cells, style, title, option')
        && [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    return [...box.querySelectorAll('*')].filter(counts)
        .map(part => [contrast(part).toFixed(2), part.textContent.trim().slice(0, 40)])
        .filter(([value]) => value < least);
}"""
