#!/bin/sh
# Installs the locked dependencies into .venv, with a Poetry that is pinned and private (.poetry) unless POETRY names
# another. Run by make, in the project's folder. Needs only Python 3.11+ with venv.
set -eu

fail() { echo "postrider: $1" >&2; exit 78; }

# The first Python that is new enough and can make virtual environments.
find_python() {
    old=""
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null || {
            version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) && old="$old $candidate is $version;"
            continue
        }
        "$candidate" -c 'import ensurepip, venv' 2>/dev/null && { echo "$candidate"; return; }
        old="$old $candidate has no venv module (on Debian and Ubuntu: apt install python3-venv);"
    done
    fail "Python 3.11 to 3.14 with venv is needed, but:${old:- no Python was found;} install one, or name it: make PYTHON=/path/to/python3"
}

# One installation at a time: a second `make` in this folder waits for the first, and then has nothing to do.
lock=.installing
while ! mkdir "$lock" 2>/dev/null; do
    [ -w . ] || fail "this folder cannot be written: make it writable"
    holder=$(cat "$lock/pid" 2>/dev/null || echo)
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
        rm -rf "$lock"
        continue
    fi
    [ -n "${waited:-}" ] || echo "Waiting for the installation that process ${holder:-?} runs …"
    waited=yes
    sleep 1
done
trap 'rm -rf "$lock"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
echo $$ >"$lock/pid"
if [ .venv/.installed -nt pyproject.toml ] && [ .venv/.installed -nt poetry.lock ]; then
    exit 0
fi

if [ "$POETRY" = .poetry/bin/poetry ]; then
    wanted="$POETRY_VERSION $POETRY_MIRROR_PLUGIN_VERSION"
    if [ "$(cat .poetry/.installed 2>/dev/null)" != "$wanted" ] || ! .poetry/bin/python -c '' 2>/dev/null; then
        python=$(find_python)
        echo "Installing Poetry $POETRY_VERSION into .poetry, with $("$python" --version) …"
        rm -rf .poetry
        "$python" -m venv .poetry
        .poetry/bin/python -m pip install --quiet --disable-pip-version-check \
            "poetry==$POETRY_VERSION" "poetry-plugin-pypi-mirror==$POETRY_MIRROR_PLUGIN_VERSION"
        echo "$wanted" >.poetry/.installed
    fi
    # Poetry does not read pip's configuration; packages shall come from where pip takes them.
    if [ -z "${POETRY_PYPI_MIRROR_URL:-}" ]; then
        POETRY_PYPI_MIRROR_URL=${PIP_INDEX_URL:-$(.poetry/bin/python -m pip config get global.index-url 2>/dev/null ||
            .poetry/bin/python -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')}
        export POETRY_PYPI_MIRROR_URL
    fi
fi

# An active environment of something else must not become ours.
unset VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV
export POETRY_VIRTUALENVS_CREATE=true POETRY_VIRTUALENVS_IN_PROJECT=true POETRY_VIRTUALENVS_USE_POETRY_PYTHON=true
echo "Installing the locked dependencies into .venv …"
"$POETRY" install --all-extras --no-interaction --compile
touch .venv/.installed
