# shellcheck shell=bash disable=SC2154
# Shared by the scripts in this directory, which source it. They set $dir, the
# directory of one server; its processes are kept in $dir/NAME.pid.

die() { echo "${0##*/}: $*" >&2; exit 1; }
warn() { echo "${0##*/}: warning: $*" >&2; }

# How long a server may take to come up, for a slow or busy machine.
patience=${RELAY_LAB_PATIENCE:-120}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Sets $port to a free one below 32768, where no client's socket can be.
free_port() {
    while :; do
        port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
        port_open "$port" || break
    done
}

# When process $1 was started, in ticks; fails if there is none or it is a zombie.
started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra stat <<<"${stat##*) }"
    [ "${stat[0]}" != Z ] && echo "${stat[19]}"
}

# spawn NAME COMMAND...: in the background, in $dir and a process group of its
# own. A pid may be used again one day, so its start time is kept with it.
spawn() {
    local name=$1
    shift
    setsid env -C "$dir" -- "$@" </dev/null >"$dir/log/$name.out" 2>&1 &
    echo "$! $(started_at $!)" >"$dir/$name.pid"
    disown
}

# Sets $pid to that of process NAME; fails if it does not run (any more).
running() {
    local since now
    read -r pid since 2>/dev/null <"$dir/$1.pid" && now=$(started_at "$pid") && [ "$now" = "$since" ]
}

# end NAME SIGNAL: returns when it is gone, also when it was frozen; SIGKILL to
# the whole group in the end.
end() {
    local name=$1 signal=$2 end=$((SECONDS + 30))
    running "$name" || return 0
    kill "-$signal" "$pid" 2>/dev/null || true
    kill -CONT -- "-$pid" 2>/dev/null || true
    while running "$name"; do
        if [ "$SECONDS" -ge "$end" ]; then
            kill -KILL -- "-$pid" 2>/dev/null || true
        fi
        sleep 0.05
    done
}

# wait_for NAME CHECK...: until the check passes; dies when process NAME does.
wait_for() {
    local name=$1 end=$((SECONDS + patience))
    shift
    until "$@"; do
        running "$name" || die "$name ended at once"
        [ "$SECONDS" -lt "$end" ] || die "$name was not ready after $patience s"
        sleep 0.1
    done
}

# For `start`: when it fails, show the logs; then, and when interrupted, stop what runs.
undo_on_failure() {
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    trap 'undo $?' EXIT
}
undo() {
    case $1 in
        0) return ;;
        130 | 143) ;;
        *) logs ;;
    esac
    stop
}
logs() {
    local file
    for file in "$dir"/log/*; do
        [ -s "$file" ] || continue
        echo "--- the end of $file" >&2
        tail -n 40 "$file" >&2
    done
}

# For `install` and `debian-root`. Whether newer versions were looked for since
# yesterday, by the time of the file $1; RELAY_LAB_UPDATE decides otherwise.
looked_today() {
    case ${RELAY_LAB_UPDATE:-} in
        0) return 0 ;;
        1) return 1 ;;
    esac
    [ -n "$(find "$1" -mmin -1440 2>/dev/null)" ]
}
# What apt-get may take when there is no network.
# shellcheck disable=SC2034
fetching=(-o Acquire::Retries=0 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15 -o APT::Update::Error-Mode=any)
# Runs a command as root, by a sudo that asks nothing.
as_root_unasked() { command -v sudo >/dev/null && sudo -n --preserve-env=RELAY_LAB_UPDATE -- "$@"; }
