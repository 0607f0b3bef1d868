#include <algorithm>

#include "protocol/dialect.h"
#include "protocol/fields.h"
#include "protocol/hex.h"
#include "protocol/limits.h"

namespace punster {
namespace {

constexpr std::size_t batch = 16384;

// Numbers of the dialect: integers, or strings "0x..".
Result<std::uint64_t> number(const Json& params, const char* name) {
  const auto member = params.find(name);
  if (member == params.end())
    return error_in("bad_request", std::string("\"") + name + "\" is missing", "/params");
  Vaddr value;
  if (member->is_number_unsigned()) return member->get<std::uint64_t>();
  if (read_value(*member, value))
    return error_in("bad_request", "expected a number or \"0x..\"", pointer_to("/params", name));
  return value.value;
}

/// Makes `params[name]` a plain number where it is a string "0x..".
void unquote(Json& params, const char* name) {
  const auto member = params.find(name);
  if (member == params.end() || !member->is_string()) return;
  if (const auto value = parse_hex(member->get_ref<const std::string&>())) *member = *value;
}

/// E9Patch's strings have the end mark of C's, ours have none.
void end_strings(Json& value) {
  if (value.is_array()) {
    for (auto& element : value) end_strings(element);
  } else if (value.is_object()) {
    const auto text = value.find("string");
    if (text != value.end() && text->is_string()) text->get_ref<std::string&>() += '\0';
  }
}

}  // namespace

Result<void> DialectTranslator::take(Json message) {
  ++messages_;
  if (!message.is_object()) return error_in("invalid_request", "a message is a JSON object", "");
  const auto method_member = message.find("method");
  if (method_member == message.end() || !method_member->is_string())
    return error_in("invalid_request", "expected the name of a method", "/method");
  const auto& method = method_member->get_ref<const std::string&>();
  auto& params = message["params"];
  if (params.is_null()) params = Json::object();
  if (!params.is_object()) return error_in("invalid_request", "expected an object", "/params");

  if (method == "instruction") return instruction(params);
  if (method == "patch") return patch(params);
  if (method == "options") return options(params);
  if (method == "binary") {
    PUNSTER_TRY(const auto request, parse_message<BinaryRequest>(params, "/params"));
    return sink_.binary(request);
  }
  if (method == "trampoline") {
    if (const auto code = params.find("template"); code != params.end()) end_strings(*code);
    PUNSTER_TRY(const auto request, parse_message<TrampolineRequest>(params, "/params"));
    PUNSTER_TRY(flush_patches());  // they mean the definition they have seen
    return sink_.trampoline(request);
  }
  if (method == "reserve") {
    unquote(params, "length");
    if (const auto bytes = params.find("bytes"); bytes != params.end()) end_strings(*bytes);
    if (!params.contains("protection")) params["protection"] = "r-x";
    PUNSTER_TRY(const auto request, parse_message<ReserveRequest>(params, "/params"));
    return sink_.reserve(request);
  }
  if (method == "emit") {
    PUNSTER_TRY(const auto request, parse_message<EmitRequest>(params, "/params"));
    PUNSTER_TRY(flush());
    return sink_.emit(request);
  }
  return error_in("unknown_method", "unknown method \"" + method + "\"", "/method");
}

Result<void> DialectTranslator::take(const PlainMessage& message) {
  ++messages_;
  if (!message.is_patch) return know(message.address, message.length, message.offset);
  PUNSTER_TRY(const auto address, at_offset(message.offset));
  return add_patch(address, std::string(message.trampoline), Json::object());
}

Result<void> DialectTranslator::instruction(const Json& params) {
  PUNSTER_TRY(const auto address, number(params, "address"));
  PUNSTER_TRY(const auto length, number(params, "length"));
  std::optional<std::uint64_t> offset;
  if (params.contains("offset")) {
    PUNSTER_TRY(offset, number(params, "offset"));
  }
  return know(address, length, offset);
}

Result<void> DialectTranslator::know(std::uint64_t address, std::uint64_t length,
                                     std::optional<std::uint64_t> offset) {
  if (address >= max_address.value)
    return error_in("bad_request", "the address is higher than any image is linked",
                    "/params/address");
  if (length < 1 || length > max_instruction)
    return error_in("bad_request", "expected a length from 1 to 15", "/params/length");
  if (offset) address_of_.insert_or_assign(*offset, address);
  instructions_.push_back({address, static_cast<unsigned>(length)});
  return instructions_.size() < 4 * batch ? Result<void>(success()) : flush_instructions();
}

// Sends the gathered instructions as maximal contiguous runs, whatever order they came in.
Result<void> DialectTranslator::flush_instructions() {
  auto gathered = std::move(instructions_);
  instructions_.clear();
  std::sort(gathered.begin(), gathered.end(), [](const Known& a, const Known& b) {
    return a.address != b.address ? a.address < b.address : a.length < b.length;
  });
  InstructionsRequest run;
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < gathered.size(); ++i) {
    const auto& known = gathered[i];
    if (i > 0 && known.address == gathered[i - 1].address && known.length == gathered[i - 1].length)
      continue;
    if (run.lengths.empty() || known.address != end || run.lengths.size() == batch) {
      if (!run.lengths.empty()) {
        PUNSTER_TRY(sink_.instructions(run));
      }
      run.address = Vaddr{known.address};
      run.lengths.clear();
    }
    run.lengths.push_back(static_cast<std::uint8_t>(known.length));
    end = known.address + known.length;
  }
  if (run.lengths.empty()) return success();
  return sink_.instructions(run);
}

Result<void> DialectTranslator::patch(Json& params) {
  Vaddr address;
  if (params.contains("offset")) {
    PUNSTER_TRY(const auto offset, number(params, "offset"));
    PUNSTER_TRY(address, at_offset(offset));
  } else {
    PUNSTER_TRY(const auto given, number(params, "address"));
    if (given >= max_address.value)
      return error_in("bad_request", "the address is higher than any image is linked",
                      "/params/address");
    address = Vaddr{given};
  }

  const auto trampoline = params.find("trampoline");
  if (trampoline == params.end())
    return error_in("bad_request", "\"trampoline\" is missing", "/params");
  std::string name;
  if (trampoline->is_string()) {
    name = trampoline->get_ref<const std::string&>();
  } else if (trampoline->is_array()) {
    end_strings(*trampoline);
    PUNSTER_TRY(name, name_of_inline(*trampoline));
  } else {
    return error_in("bad_request", "expected a name or an array", "/params/trampoline");
  }

  auto metadata = Json::object();
  if (const auto given = params.find("metadata"); given != params.end() && !given->is_null())
    metadata = std::move(*given);
  if (!metadata.is_object())
    return error_in("bad_request", "expected an object", "/params/metadata");
  return add_patch(address, std::move(name), std::move(metadata));
}

Result<Vaddr> DialectTranslator::at_offset(std::uint64_t offset) const {
  const auto known = address_of_.find(offset);
  if (known == address_of_.end())
    return error_in("bad_request", "no instruction message has named this offset",
                    "/params/offset");
  return Vaddr{known->second};
}

Result<void> DialectTranslator::add_patch(Vaddr address, std::string name, Json metadata) {
  const bool joins =
      patches_ && patches_->trampoline == name && patches_->deltas.size() < batch &&
      patches_->columns.size() == metadata.size() &&
      std::equal(patches_->columns.begin(), patches_->columns.end(), metadata.items().begin(),
                 [](const auto& column, const auto& item) { return column.first == item.key(); });
  if (!joins) {
    PUNSTER_TRY(flush_patches());
    patches_.emplace();
    patches_->address = address;
    patches_->trampoline = name;
    last_patch_ = address;
  }
  patches_->deltas.push_back(static_cast<std::int64_t>(address.value - last_patch_.value));
  last_patch_ = address;
  for (auto& [macro, value] : metadata.items()) {
    end_strings(value);
    patches_->columns[macro].push_back(std::move(value));
  }
  return success();
}

Result<std::string> DialectTranslator::name_of_inline(const Json& code) {
  const auto [entry, fresh] = inline_names_.try_emplace(dump_json(code));
  if (fresh) {
    entry->second = "$inline." + std::to_string(inline_names_.size());
    PUNSTER_TRY(sink_.trampoline({entry->second, code}));
  }
  return entry->second;
}

Result<void> DialectTranslator::options(const Json& params) {
  const auto argv = params.find("argv");
  if (argv == params.end()) return error_in("bad_request", "\"argv\" is missing", "/params");
  const std::string where = "/params";
  Fields fields(params, where);
  std::vector<std::string> arguments;
  fields.required("argv", arguments);
  PUNSTER_TRY(fields.verdict());
  PUNSTER_TRY(const auto request, translate_options(arguments, tactics_));
  PUNSTER_TRY(flush());  // options apply to what comes after them
  return sink_.options(request);
}

Result<void> DialectTranslator::flush_patches() {
  if (!patches_) return success();
  const auto gathered = std::move(*patches_);
  patches_.reset();
  return sink_.patches(gathered);
}

Result<void> DialectTranslator::flush() {
  PUNSTER_TRY(flush_instructions());
  return flush_patches();
}

}  // namespace punster
