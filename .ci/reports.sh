# Sourced: sets `reports`, the folder that a script was given (as seen from where it was called; else `reports` at the
# top), goes to the top, and sets `python`.
case "${1:-}" in
  "") reports="reports" ;;
  /*) reports="$1" ;;
  *) reports="$PWD/$1" ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="$(.ci/python)"
