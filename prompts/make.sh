#!/usr/bin/env bash
# Makes the prompts that come with Ringdesk: the texts are here, the voice is espeak-ng's, the music
# is computed. Needs espeak-ng and sox. The result is the same octet for octet each time.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# say NAME VOICE SILENCE_AFTER TEXT: 8 kHz, 16 bit, mono, telephone band, peaks at -4 dBFS.
say() {
  espeak-ng -v "$2" -s 160 -p 42 -g 4 -w "$work/said.wav" "$4"
  sox -D "$work/said.wav" -b 16 "$1.wav" \
    silence 1 0.01 0.1% reverse silence 1 0.01 0.1% reverse \
    gain -9 highpass 120 rate -v 8000 \
    compand 0.005,0.12 -60,-60,-36,-24,-18,-14,0,-8 0 -40 0.005 \
    gain -n -4 pad 0.25 "$3"
}

# note NAME HZ: one soft stroke of 2.4 s.
note() {
  sox -D -n -r 8000 -c 2 "$work/$1.wav" synth 2.4 sine "$2" sine "$(echo "$2 * 2" | bc -l)"
  sox -D "$work/$1.wav" "$work/$1-mono.wav" remix 1v0.85,2v0.15 fade l 0.012 2.4 2.3
}

# music NAME: four chords, each broken upwards and back, quiet; made twice and cut from the second
# time, so that the end runs into the beginning.
music() {
  local step=0.4 at=0 parts=() key
  local -A hz=([C]=261.63 [D]=293.66 [E]=329.63 [F]=349.23 [G]=392.00 [A]=440.00 [B]=493.88 [c]=523.25 [d]=587.33 [e]=659.26)
  for key in "${!hz[@]}"; do note "$key" "${hz[$key]}"; done
  for _ in 1 2; do
    for key in C E G B c B G E A c e c A E C E F A c e c A F A G B d B G D G B; do
      sox -D "$work/$key-mono.wav" "$work/at-$at.wav" pad "$(echo "$at * $step" | bc -l)" 0
      parts+=("$work/at-$at.wav")
      at=$((at + 1))
    done
  done
  local loop
  loop=$(echo "32 * $step" | bc -l)
  sox -D -m "${parts[@]}" -b 16 "$1.wav" trim "$loop" "$loop" gain -n -14
}

leave="Please leave your name and your number after the tone, and we will call you back."
say working_hours en-gb 0.3 "Thank you for calling. Nobody can answer right now. $leave"
say unanswered en-gb 0.3 "Thank you for calling. We are all busy with other callers. $leave"
say break en-gb 0.3 "Thank you for calling. We are having a short break. $leave"
say after_hours en-gb 0.3 "Thank you for calling. We are closed at the moment. $leave"
say closed en-gb 0.3 "Our office is closed. $leave"
say closed-nb nb 0.3 "Takk for at du ringer. Vi har stengt nå. Legg igjen navn og nummer etter tonen, så ringer vi deg opp."
say christmas en-gb 0.3 "Thank you for calling. We are closed for Christmas, and wish you a happy one. $leave"
say accept en-gb 1.5 "You have a call from Ringdesk. Press one to accept it."
music hold
