# shellcheck shell=bash
# A stand-in of the SMS gateway for one connection on standard input and output; systemd accepts. Writes down what it is sent.
length=0
while IFS= read -r line && line=${line%$'\r'} && [ -n "$line" ]; do
    case ${line,,} in content-length:*) length=${line##*: } ;; esac
done
LC_ALL=C read -r -N "$length" sent
printf '%s\n' "$sent" >>/the-test/asked
body='{"money": "1234.5", "currency": "RUB", "information": []}'
printf 'HTTP/1.1 200 OK\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' "${#body}" "$body"
