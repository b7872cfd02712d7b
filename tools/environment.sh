# Sourced by the other tools: makes .venv, or reuses it, with the package and the extras asked for.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

find_python() {
    local candidate
    for candidate in python3.12 python3.11 python3 python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python 3.11 or newer with the venv module" >&2
    echo "hint:  install it, e.g. apt-get install python3 python3-venv" >&2
    exit 1
}

# prepare_environment EXTRAS: installs '.[EXTRAS]' unless that is done for this pyproject.toml.
prepare_environment() {
    local extras=$1 python stamp wanted
    stamp=.venv/installed${extras:+-$extras}
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
        python=$(find_python) || exit 1
        "$python" -m venv --clear .venv || exit 1
    fi
    wanted=$(.venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(open("pyproject.toml", "rb").read() + sys.version.encode()).hexdigest())')
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "installing the package${extras:+ with [$extras]} into .venv (some GB the first time) ..."
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --editable ".${extras:+[$extras]}" || exit 1
        echo "$wanted" >"$stamp"
    fi
}
